"""Guessing what a file that is not UTF-8 might be, and the command that makes it UTF-8."""

from __future__ import annotations

import codecs
import re

from tunesmith.core.errors import Problem
from tunesmith.data.rows import BadRow, is_zipped, shell_path, shorten

BINARY_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "libreoffice --convert-to csv {}"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "libreoffice --convert-to csv {}"),
    (b"BZh", "a bzip2 file", "bunzip2 --keep {}"),
    (b"\xfd7zXZ", "an xz file", "unxz --keep {}"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", "unzstd {}"),
    (b"%PDF", "a PDF", "pdftotext {}"),
    (b"PAR1", "a Parquet file", "mv {0} {0}.parquet"),
)

_HIGH = re.compile(rb"[\x80-\xff]")
_HAN_PAIR = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
_WINDOWS_ONLY = re.compile(rb"[\x80-\x9f]")


def guess_encoding(sample: bytes, *, seen_utf8: bool = False) -> str:
    """Return the likely encoding of bytes that are not UTF-8, by the name `iconv` knows.

    `seen_utf8` says that characters beyond ASCII were read as UTF-8 before: then the file is UTF-8
    with some broken bytes. GB18030 is told from Latin-1 by its high bytes coming in pairs.

    >>> guess_encoding("你好，世界".encode("gb18030")), guess_encoding("déjà vu".encode("latin-1"))
    ('GB18030', 'LATIN1')
    """
    if sample.count(0) * 4 > len(sample):
        return "UTF-16LE" if sample[1::2].count(0) >= sample[::2].count(0) else "UTF-16BE"
    if seen_utf8 or _is_mostly_utf8(sample):
        return "UTF-8"
    high = len(_HIGH.findall(sample))
    if 2 * len(_HAN_PAIR.findall(sample)) >= 0.6 * high and _decodes(sample, "gb18030"):
        return "GB18030"
    if _WINDOWS_ONLY.search(sample) and _decodes(sample, "cp1252"):
        return "CP1252"
    return "LATIN1"


def wrong_encoding(name: str, line: int, *, found: bytes, encoding: str) -> BadRow:
    """Return the bad row that names the bytes, the guess and the command that repairs the file."""
    shown = found[:4].hex(" ")
    if encoding == "UTF-8":
        return BadRow(
            Problem(f"`{name}` must be UTF-8", f"the broken bytes {shown}", f"{name}:{line}"),
            _conversion(name, "-c -f UTF-8"),
        )
    text = shorten(found[:64].decode(encoding, errors="ignore").replace("\0", "").strip(), limit=20)
    guess = f"bytes {shown}, which look like {encoding}" + (f" (“{text}”)" if text else "")
    return BadRow(
        Problem(f"`{name}` must be UTF-8", guess, f"{name}:{line}"),
        _conversion(name, f"-f {encoding}"),
    )


def binary_content(name: str, head: bytes) -> BadRow | None:
    """Return the bad row for a file that begins like a well-known binary format."""
    for magic, what, command in BINARY_MAGIC:
        if head.startswith(magic):
            problem = Problem(f"`{name}` must be text", what, name)
            return BadRow(problem, command.format(shell_path(name)))
    return None


def _conversion(name: str, options: str) -> str:
    path = shell_path(name)
    if is_zipped(name):
        return f"zcat {path} | iconv {options} -t UTF-8 > {path}.utf8"
    return f"iconv {options} -t UTF-8 {path} > {path}.utf8"


def _is_mostly_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    return sum(char > "\x7f" for char in text) - broken > broken


def _decodes(sample: bytes, encoding: str) -> bool:
    """Tell whether `sample`, whose last character may be cut, is valid in `encoding`."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True
