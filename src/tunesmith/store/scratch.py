"""Arrays that outgrow memory: mapped from a file without a name, which vanishes with them.

The file lies in the system's temporary folder (`TMPDIR`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import IO

import numpy as np

from tunesmith.core.errors import NO_SPACE, temporary_folder_full

MEMORY_BYTES = 16 * 2**20
"""An array beyond this size goes to disk: several hundred thousand short rows stay in memory."""


class ScratchArray:
    """An array that grows by parts, of which only so much is kept in memory."""

    def __init__(self, *, memory_bytes: int | None = None) -> None:
        """Begin without parts; the first one says type and columns."""
        self._memory_bytes = MEMORY_BYTES if memory_bytes is None else memory_bytes
        self._parts: list[np.ndarray] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None

    def append(self, part: np.ndarray) -> None:
        """Put a part at the end. Raises `ResourceError` where the temporary folder is full."""
        self._parts.append(part)
        self._bytes += part.nbytes
        if self._bytes > self._memory_bytes:
            self._spill()

    def finish(self) -> np.ndarray:
        """Return the whole array, read-only where it is mapped from disk."""
        if self._file is None:
            return np.concatenate(self._parts)
        self._spill()
        kind, columns = self._parts[0].dtype, self._parts[0].shape[1:]
        flat = np.memmap(self._file, dtype=kind, mode="r")  # holds the file open by itself
        self._file.close()
        return flat.reshape(-1, *columns)

    def _spill(self) -> None:
        """Write the parts out; an empty one stays, for its type and columns."""
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="tunesmith-")  # noqa: SIM115 (outlives this call)
            for part in self._parts:
                self._file.write(np.ascontiguousarray(part).data)
            self._file.flush()
        except OSError as error:
            if error.errno in NO_SPACE:
                raise temporary_folder_full() from error
            raise
        self._parts = [self._parts[0][:0]]
        self._bytes = 0


class ScratchArrays:
    """Several arrays that grow together, by name."""

    def __init__(self) -> None:
        """Begin without arrays."""
        self._arrays: dict[str, ScratchArray] = {}

    def append(self, parts: Mapping[str, np.ndarray]) -> None:
        """Put a part at the end of each array; a name that is new begins one."""
        for name, part in parts.items():
            self._arrays.setdefault(name, ScratchArray()).append(part)

    def finish(self) -> dict[str, np.ndarray]:
        """Return the whole arrays."""
        return {name: array.finish() for name, array in self._arrays.items()}
