r"""Bytes to text: the lines or pieces of a UTF-8 or UTF-16 stream, with numbers.

Lines end at `\n` or `\r\n` only, so every other separator Unicode knows survives inside a token or
text.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, NamedTuple, TypeVar, cast

from tunesmith.core.errors import Problem
from tunesmith.data.encodings import binary_content, guess_encoding, wrong_encoding
from tunesmith.data.rows import MAX_ROW_BYTES, BadRow, shell_path, show_line, too_long
from tunesmith.data.sources import peek

PIECE_BYTES = 256 * 1024
SAMPLE_BYTES = 8 * 1024

Item = TypeVar("Item")


class Line(NamedTuple):
    """One line of text with its end still on it, and its 1-based number."""

    number: int
    raw: str

    @property
    def text(self) -> str:
        """Return the line without its end."""
        return self.raw.removesuffix("\n").removesuffix("\r")


def read_lines(stream: BinaryIO | IO[str], *, name: str) -> Iterator[Line | BadRow]:
    """Yield every line of `stream`; a line that is broken or too long is handed on as a bad row.

    Reading ends at a wrong encoding, which no later line could mend.
    """
    if isinstance(stream, io.TextIOBase):
        return _text_lines(cast("IO[str]", stream), name)
    return _until_failure(_byte_lines(cast("BinaryIO", stream), name), name)


def read_pieces(stream: BinaryIO | IO[str], *, name: str) -> Iterator[str | BadRow]:
    """Yield the text of `stream` in pieces of about 256 KiB; reading ends at the first bad one."""
    if isinstance(stream, io.TextIOBase):
        return iter(lambda: stream.read(PIECE_BYTES), "")
    return _until_failure(_decoded_pieces(cast("BinaryIO", stream), name), name)


def _until_failure(items: Iterator[Item | BadRow], name: str) -> Iterator[Item | BadRow]:
    """Hand on the items; a disk or an archive that fails on the way is a bad row, the last one."""
    try:
        yield from items
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problem = Problem(f"`{name}` must be a whole gzip file", str(error), name)
        yield BadRow(problem, f"gzip -t {shell_path(name)}")
    except OSError as error:
        yield BadRow(Problem(f"`{name}` must be readable to its end", str(error), name))


def _byte_lines(stream: BinaryIO, name: str) -> Iterator[Line | BadRow]:
    encoding, bad = _encoding_of(stream, name)
    if bad:
        yield bad
    elif encoding == "utf-16":
        yield from _utf16_lines(stream, name)
    else:
        yield from _utf8_lines(stream, name)


def _decoded_pieces(stream: BinaryIO, name: str) -> Iterator[str | BadRow]:
    encoding, bad = _encoding_of(stream, name)
    if bad:
        yield bad
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    while True:
        read = stream.read(PIECE_BYTES)
        try:
            piece = decoder.decode(read, final=not read)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            rest = error.object[error.start :]
            yield wrong_encoding(name, line, found=rest, encoding=guess_encoding(rest))
            return
        if piece:
            yield piece
            line += piece.count("\n")
        if not read:
            return


def _encoding_of(stream: BinaryIO, name: str) -> tuple[str, BadRow | None]:
    """Return the encoding that the first bytes name, or what forbids reading; step over a mark."""
    head = peek(stream, 8)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "", wrong_encoding(name, 1, found=head, encoding="UTF-32")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", None
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return "utf-8", binary_content(name, head)


def _utf8_lines(stream: BinaryIO, name: str) -> Iterator[Line | BadRow]:
    number, seen_utf8 = 0, False
    while data := stream.readline(MAX_ROW_BYTES):
        number += 1
        if len(data) == MAX_ROW_BYTES and not data.endswith(b"\n"):
            _skip_line(stream)
            yield too_long(name, number)
            continue
        try:
            raw = data.decode()
        except UnicodeDecodeError as error:
            guess = guess_encoding(data + peek(stream, SAMPLE_BYTES), seen_utf8=seen_utf8)
            yield wrong_encoding(name, number, found=data[error.start :], encoding=guess)
            if guess != "UTF-8":
                return
            seen_utf8 = True
            continue
        if "\0" in raw:
            guess = guess_encoding(data)
            if guess.startswith("UTF-16"):
                yield wrong_encoding(name, number, found=data, encoding=guess)
                return
            yield _with_nul(name, number)
            continue
        seen_utf8 = seen_utf8 or not raw.isascii()
        yield Line(number, raw)


def _utf16_lines(stream: BinaryIO, name: str) -> Iterator[Line | BadRow]:
    decoded = io.TextIOWrapper(stream, encoding="utf-16", newline="\n")
    number = 0
    try:
        for item in _text_lines(decoded, name):
            number += 1
            yield item
    except UnicodeDecodeError as error:
        found = f"the broken bytes {error.object[error.start : error.end].hex(' ')}"
        must = f"`{name}` must be UTF-16, as its first bytes say"
        yield BadRow(Problem(must, found, f"{name}:{number + 1} or soon after"))
    finally:
        decoded.detach()


def _text_lines(stream: IO[str], name: str) -> Iterator[Line | BadRow]:
    number = 0
    while raw := stream.readline(MAX_ROW_BYTES):
        number += 1
        if len(raw) == MAX_ROW_BYTES and not raw.endswith("\n"):
            _skip_line(stream)
            yield too_long(name, number)
        elif "\0" in raw:
            yield _with_nul(name, number)
        else:
            yield Line(number, raw.removeprefix("\ufeff") if number == 1 else raw)


def _skip_line(stream: BinaryIO | IO[str]) -> None:
    while (data := stream.readline(MAX_ROW_BYTES)) and data[-1:] not in ("\n", b"\n"):
        pass


def _with_nul(name: str, number: int) -> BadRow:
    problem = Problem("a line must not hold NUL bytes", "at least one", f"{name}:{number}")
    return BadRow(problem, show_line(name, number) + " | cat -v")
