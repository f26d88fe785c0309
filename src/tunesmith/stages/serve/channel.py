"""Messages between the process that accepts and those that compute: JSON with its length before it.

Never pickle: what comes out of a process that read a stranger's text is data.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct(">I")
LARGEST_BYTES = 1 << 30


class ChannelClosedError(ConnectionError):
    """The other side is gone."""


def pack(message: dict[str, Any]) -> bytes:
    """Return a message as it goes over the wire."""
    data = json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(data)) + data


def send(channel: socket.socket, message: dict[str, Any]) -> None:
    """Send a message. Raises `ChannelClosedError` where nobody hears it."""
    try:
        channel.sendall(pack(message))
    except OSError as error:
        raise ChannelClosedError(str(error)) from error


def receive(channel: socket.socket) -> dict[str, Any]:
    """Wait for a message. Raises `ChannelClosedError` at the end."""
    (length,) = _LENGTH.unpack(_read(channel, _LENGTH.size))
    return json.loads(_read(channel, length))


def _read(channel: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        try:
            part = channel.recv(min(count, 1 << 20))
        except OSError as error:
            raise ChannelClosedError(str(error)) from error
        if not part:
            raise ChannelClosedError("the other side is gone")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


async def receive_async(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Wait for a message. Raises `ChannelClosedError` at the end."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > LARGEST_BYTES:
            raise ChannelClosedError(f"a message of {length:,} bytes")
        return json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, OSError) as error:
        raise ChannelClosedError(str(error)) from error
