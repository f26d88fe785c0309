"""CoNLL files: a token and its tag a line, a blank line between sentences.

The first column is the token, the last its tag. Columns are parted by tabs, or by spaces where a
line has no tab: by nothing else, since tokens may hold any other character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from tunesmith.core.errors import Problem
from tunesmith.data.lines import Line
from tunesmith.data.rows import BadRow, RawRow, shorten, show_line

DOCUMENT_MARK = "-DOCSTART-"

_TAG = re.compile(r"O|[BIESMLU]-\S+")
_SPACES = re.compile(" +")
_NEW_DOCUMENT = re.compile(r"# newdoc(?: id = (.+))?")
_EMPTY_FIELDS = {"O", "_", "-X-", "-O-"}


def is_tag(text: str) -> bool:
    """Tell whether `text` is `O` or a prefix of BIO, BIOES, BMES or BILOU with a type."""
    return bool(_TAG.fullmatch(text))


def split_columns(line: str) -> list[str]:
    r"""Return the columns of a line: none where it is blank.

    >>> split_columns("New York\tB-LOC"), split_columns("Rex NNP B-ORG"), split_columns(" \t")
    (['New York', 'B-LOC'], ['Rex', 'NNP', 'B-ORG'], [])
    """
    if "\t" in line:
        columns = [column.strip(" ") or column for column in line.rstrip("\t ").split("\t")]
        return columns if columns != [""] else []
    stripped = line.strip(" ")
    return _SPACES.split(stripped) if stripped else []


def scan_conll(lines: Iterator[Line | BadRow], *, name: str) -> Iterator[RawRow | BadRow]:
    """Yield one row a sentence: `tokens`, `tags` and `group`, the document of a `-DOCSTART-` line.

    A sentence with a bad line is left out and every bad line of it reported. A file with one column
    only yields rows without tags.
    """
    reader = _SentenceReader(name)
    for item in lines:
        if isinstance(item, BadRow):
            reader.broken = True
            yield item
            continue
        columns = split_columns(item.text)
        if not columns:
            yield from reader.finish()
        elif columns[0] == DOCUMENT_MARK:
            yield from reader.finish()
            reader.open_document(columns[1:])
        elif reader.is_comment(item.text, columns):
            reader.read_comment(item.text)
        elif bad := reader.add(item.number, columns):
            yield bad
    yield from reader.finish()


@dataclass
class _SentenceReader:
    """The sentence being gathered, and what the file has shown so far."""

    name: str
    width: int = 0
    documents: int = 0
    group: str | None = None
    line: int = 0
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    broken: bool = False

    def add(self, number: int, columns: list[str]) -> BadRow | None:
        """Take one token line, or say why it is none."""
        self.width = self.width or len(columns)
        self.line = self.line or number
        if len(columns) != self.width or not columns[0]:
            self.broken = True
            what = "a token and its tag" if self.width == 2 else f"{self.width} columns"
            must = f"each line must hold {what if self.width > 1 else 'one column'}, as others do"
            found = f"`{shorten(' '.join(columns))}`"
            return BadRow(
                Problem(must, found, f"{self.name}:{number}"), show_line(self.name, number)
            )
        self.tokens.append(columns[0])
        self.tags.append(columns[-1])
        return None

    def finish(self) -> Iterator[RawRow]:
        """Yield the sentence gathered, if it is whole, and begin a new one."""
        if self.tokens and not self.broken:
            tags = {"tags": self.tags} if self.width > 1 else {}
            yield RawRow({"tokens": self.tokens, **tags, "group": self.group}, self.line)
        self.line, self.tokens, self.tags, self.broken = 0, [], [], False

    def open_document(self, fields: list[str]) -> None:
        """Name the group of the next sentences: after the document's name, else by number."""
        self.documents += 1
        named = " ".join(text for text in fields if text not in _EMPTY_FIELDS)
        self.group = named or f"{PurePath(self.name).name.split('.')[0]}#{self.documents}"

    def is_comment(self, text: str, columns: list[str]) -> bool:
        """Tell a `# …` comment before a sentence from a token that begins with `#`."""
        if not text.startswith("# ") or "\t" in text or self.tokens:
            return False
        return not is_tag(columns[-1]) or len(columns) != (self.width or 2)

    def read_comment(self, text: str) -> None:
        """Open a document where a CoNLL-U comment says that one begins."""
        if match := _NEW_DOCUMENT.fullmatch(text.strip(" ")):
            self.open_document([match[1]] if match[1] else [])
