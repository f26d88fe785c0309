"""Text without labels, from any files, as a stream of passages: nothing is kept.

A passage is a paragraph of a text file or the text of a row. What cannot be read is counted and
handed on, so that the caller decides how much of it is too much.
"""

from __future__ import annotations

import codecs
import gzip
import io
import shlex
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from tunesmith.core.errors import DataError, NotFoundError, Problem
from tunesmith.data.columns import guess_column
from tunesmith.data.encodings import binary_content, guess_encoding, wrong_encoding
from tunesmith.data.formats import scan_rows
from tunesmith.data.formats.kinds import ENDINGS, Kind, ending_of, kind_of_file
from tunesmith.data.rows import BadRow, ProblemLog, RawRow
from tunesmith.data.sources import KeyedList, find_source, open_stream, peek

TEXT_ENDINGS = (".txt", ".text", ".md")
ROW_KINDS: tuple[Kind, ...] = ("jsonl", "json", "csv", "tsv", "parquet")
LONGEST_PIECE_BYTES = 64 * 1024
"""A line beyond this is cut into pieces, so that a file without line ends needs no more memory."""
LONGEST_PASSAGE = 8 * 1024
"""Characters after which a paragraph ends at the next line."""
SNIFFED_BYTES = 8 * 1024
BYTES_OF_A_LINE = 100
"""What a file that is no text at all counts for: one unreadable line for so many bytes."""
SHOWN_OF_A_FILE = 3
FEW_NULS, NULS_OF_JUNK = 3, 1_000
"""Text with a flaw has a NUL or three; a file with one in less than so many bytes is no text."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of text; `document` numbers the file or the row it stands in.

    `is_row` tells a row, which is a document of one passage, from a paragraph of a file.
    """

    text: str
    document: int
    is_row: bool


@dataclass(slots=True)
class CorpusLog:
    """What was read and what was not: `lines` of text and rows, and the unreadable among them.

    `problems` keeps the first three of each file, so that one file does not drown another.
    `left_out` are the files of a folder whose endings are not those of text.
    """

    lines: int = 0
    unreadable: int = 0
    problems: ProblemLog = field(default_factory=ProblemLog)
    left_out: list[str] = field(default_factory=list)
    by_file: Counter[str] = field(default_factory=Counter)

    def add(self, bad: BadRow, *, lines: int = 1) -> None:
        """Count something unreadable, as so many lines."""
        self.lines += lines
        self.unreadable += lines
        where = bad.problem.where
        file = where.rpartition(":")[0] or where
        self.by_file[file] += 1
        if self.by_file[file] <= SHOWN_OF_A_FILE:
            self.problems.add(bad)

    def refuse_beyond(self, share: float, *, setting: str = "reading") -> None:
        """Raise `DataError` with all problems where more than `share` was unreadable.

        `setting` is where a spec says how much of it may be.
        """
        if self.unreadable <= share * self.lines:
            return
        found = f"{self.unreadable:,} of {self.lines:,} lines and rows that cannot be read"
        shown = [Problem(f"at most {share:.0%} of a corpus may be unreadable", found)]
        shown += [bad.problem for bad in self.problems.kept]
        hints = [bad.hint for bad in self.problems.kept if bad.hint]
        raise DataError(
            shown, hint=(hints or [f"--set {setting}.unreadable=1 skips all of them"])[0]
        )


def find_corpus_files(source: str, log: CorpusLog) -> Sequence[Path | KeyedList]:
    """Return the files of a corpus: one, or a list in it, or all of text and rows below a folder.

    Those of a folder come by name. Raises `NotFoundError` where nothing is there and `DataError`
    where a folder holds none.
    """
    path = Path(source)
    if not path.is_dir():
        return [find_source(source)]
    below = [each for each in sorted(path.rglob("*")) if each.is_file()]
    visible = [each for each in below if not each.relative_to(path).as_posix().startswith(".")]
    files = [each for each in visible if _is_corpus_file(each)]
    log.left_out += [str(each) for each in visible if not _is_corpus_file(each)]
    if not files:
        endings = ", ".join([*TEXT_ENDINGS, *(e for e, kind in ENDINGS.items() if kind != "conll")])
        raise NotFoundError(
            Problem("a corpus folder must hold files of text or rows", "none", source),
            hint=f"ls {shlex.quote(source)}; known endings: {endings}",
        )
    return files


def read_passages(
    files: Sequence[Path | KeyedList], log: CorpusLog, *, column: str = "text"
) -> Iterator[Passage]:
    """Yield the passages of all files in turn; rows give the text of `column`.

    Raises `DataError` where a file of rows has no such column.
    """
    document = 0
    for path in files:
        if not isinstance(path, KeyedList) and _row_kind(path) is None:
            for text in _paragraphs(_read_lines(path, log)):
                yield Passage(text, document, is_row=False)
            document += 1
        else:
            for text in _row_texts(path, log, column):
                yield Passage(text, document, is_row=True)
                document += 1


def _is_corpus_file(path: Path) -> bool:
    ending = ending_of(path)
    is_readme = path.stem.lower() == "readme"
    return not is_readme and (ending in TEXT_ENDINGS or ENDINGS.get(ending) in ROW_KINDS)


def _row_kind(path: Path) -> Kind | None:
    """Return the format of a file of rows, or None for what is read as plain text."""
    if ENDINGS.get(ending_of(path)) not in ROW_KINDS:
        return None
    return kind_of_file(path)


def _row_texts(path: Path | KeyedList, log: CorpusLog, column: str) -> Iterator[str]:
    scan = scan_rows(path, kind=None if isinstance(path, KeyedList) else _row_kind(path))
    for item in scan.items:
        if isinstance(item, BadRow):
            log.add(item)
            continue
        log.lines += 1
        if column not in item.values:
            raise _without_column(path, item, column)
        text = item.values[column]
        if text is None:
            continue
        if not isinstance(text, str):
            place = f"{scan.name}:{item.line}"
            log.lines -= 1
            log.add(BadRow(Problem(f"`{column}` must be a text", type(text).__name__, place)))
        elif text := text.strip():
            yield text


def _without_column(path: Path | KeyedList, row: RawRow, column: str) -> DataError:
    names = list(row.values)
    guess = guess_column("text", names) or "NAME"
    return DataError(
        Problem(f"rows must have the column `{column}`", ", ".join(names[:12]), str(path)),
        hint=f"--column {shlex.quote(f'text={guess}')}",
    )


def _paragraphs(lines: Iterator[str]) -> Iterator[str]:
    """Yield the stretches between blank lines, their lines kept apart."""
    held: list[str] = []
    size = 0
    for line in lines:
        text = line.rstrip()
        if text:
            held.append(text)
            size += len(text)
        if held and (not text or size > LONGEST_PASSAGE):
            yield "\n".join(held).strip()
            held, size = [], 0
    if held:
        yield "\n".join(held).strip()


def _read_lines(path: Path, log: CorpusLog) -> Iterator[str]:
    """Yield the lines of a UTF-8 or UTF-16 file, long ones in pieces; count what is unreadable."""
    name = str(path)
    try:
        with open_stream(path) as opened:
            yield from _stream_lines(cast("BinaryIO", opened), path, log)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problem = Problem(f"`{name}` must be a whole gzip file", str(error), name)
        log.add(BadRow(problem, f"gzip -t {shlex.quote(name)}"))


def _stream_lines(stream: BinaryIO, path: Path, log: CorpusLog) -> Iterator[str]:
    name = str(path)
    head = peek(stream, SNIFFED_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield from _utf16_lines(stream, log)
    elif bad := _whole_file_fault(name, head):
        log.add(bad, lines=1 + path.stat().st_size // BYTES_OF_A_LINE)
    else:
        yield from _utf8_lines(stream, name, log)


def _whole_file_fault(name: str, head: bytes) -> BadRow | None:
    """Return why a file is no text at all, where its first bytes show it."""
    if bad := binary_content(name, head):
        return bad
    if 0 not in head:
        return None
    guess = guess_encoding(head)
    if guess.startswith("UTF-16"):
        return wrong_encoding(name, 1, found=head, encoding=guess)
    if head.count(0) > max(FEW_NULS, len(head) // NULS_OF_JUNK):
        return BadRow(Problem(f"`{name}` must be text", "NUL bytes: a binary file", name))
    return None


def _utf8_lines(stream: BinaryIO, name: str, log: CorpusLog) -> Iterator[str]:
    if peek(stream, 3).startswith(codecs.BOM_UTF8):
        stream.read(3)
    number, seen_utf8, rest = 0, False, b""
    while data := rest + stream.readline(LONGEST_PIECE_BYTES):
        data, rest = _whole_characters(data)
        number += 1
        try:
            line = data.decode()
        except UnicodeDecodeError as error:
            guess = guess_encoding(data, seen_utf8=seen_utf8)
            log.add(wrong_encoding(name, number, found=data[error.start :], encoding=guess))
            continue
        if "\0" in line:
            problem = Problem("a line must not hold NUL bytes", "at least one", f"{name}:{number}")
            log.add(BadRow(problem))
            continue
        log.lines += 1
        seen_utf8 = seen_utf8 or not line.isascii()
        yield line


def _whole_characters(data: bytes) -> tuple[bytes, bytes]:
    """Return a piece without the character that its end cut in two, and the bytes of that one."""
    if len(data) < LONGEST_PIECE_BYTES or data.endswith(b"\n"):
        return data, b""
    for back in range(1, 4):
        byte = data[-back]
        if byte >= 0xC0:  # the first byte of a character of more than one
            needed = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return (data[:-back], data[-back:]) if needed > back else (data, b"")
        if byte < 0x80:  # ASCII
            break
    return data, b""


def _utf16_lines(stream: BinaryIO, log: CorpusLog) -> Iterator[str]:
    decoded = io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="\n")
    try:
        while line := decoded.readline(LONGEST_PIECE_BYTES):
            log.lines += 1
            yield line
    finally:
        decoded.detach()
