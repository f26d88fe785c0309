"""What the tests of `data/` share: files written from text, and the problems a reading ends in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.formats import read_rows


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Return a function that writes a file of the given name and content and returns its path."""

    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture
def refusal() -> Callable[..., tuple[list[dict], DataError]]:
    """Return a function that reads a bad source and returns its good rows and the error."""

    def read(source, **options) -> tuple[list[dict], DataError]:
        rows: list[dict] = []
        with pytest.raises(DataError) as caught:
            rows.extend(row.values for row in read_rows(source, **options))
        return rows, caught.value

    return read
