"""Dictionaries of synonyms: words and what may stand in their place; the user's file or our lists.

This module reads; which words of a text are looked up is the affair of augmentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tunesmith.core.errors import DataError, Problem
from tunesmith.data.lines import Line, read_lines
from tunesmith.data.rows import BadRow, ProblemLog, shell_path, shorten, show_line
from tunesmith.data.sources import open_stream
from tunesmith.measure.scripts import UNSPACED

WORD_LISTS = Path(__file__).parent / "word_lists"
USUAL = ("synonyms.en.tsv", "synonyms.zh.tsv")
COMMENT = "#"
_UNSPACED = re.compile(f"[{UNSPACED}]")
JSON_ENDINGS = (".jsonl", ".ndjson", ".json", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class Synonyms:
    """What may stand for a word, by the word: case folded, white space made single.

    A word may be several, such as `at once`; no word is its own synonym. `longest` is how many
    characters of unspaced scripts, or words between spaces, an entry has at most.
    """

    entries: Mapping[str, tuple[str, ...]]
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        """Measure the longest entry."""
        sizes = (len(_UNSPACED.sub(" x ", word).split()) for word in self.entries)
        object.__setattr__(self, "longest", max(sizes, default=1))

    def __len__(self) -> int:
        """Return how many words there are."""
        return len(self.entries)

    def of(self, word: str) -> tuple[str, ...]:
        """Return the synonyms of a word as it stands in a text; none where it is not known."""
        return self.entries.get(fold(word), ())


def fold(word: str) -> str:
    """Return the form by which words count as equal."""
    return " ".join(word.casefold().split())


@cache
def usual_synonyms() -> Synonyms:
    """Return our own lists of common English and Chinese words; they share no word."""
    entries: dict[str, tuple[str, ...]] = {}
    for name in USUAL:
        entries |= read_synonyms(WORD_LISTS / name).entries
    return Synonyms(entries)


def read_synonyms(path: Path | str) -> Synonyms:
    """Return the dictionary in a file.

    A line of TSV is a word and its synonyms, parted by tabs; one that begins with `#` says nothing.
    A line of JSONL is `{"word": …, "synonyms": […]}`. Lines for the same word are added up. Raises
    `DataError` with every line that is neither, or where there is no entry.
    """
    name = str(path)
    is_json = name.endswith(JSON_ENDINGS)
    log = ProblemLog()
    found: dict[str, dict[str, None]] = {}
    with open_stream(path) as stream:
        for line in read_lines(stream, name=name):
            if isinstance(line, BadRow):
                log.add(line)
                continue
            if not line.text.strip() or (not is_json and line.text.startswith(COMMENT)):
                continue
            read = _read_json(line, name) if is_json else _read_tabbed(line, name)
            if isinstance(read, BadRow):
                log.add(read)
                continue
            word, synonyms = read
            own = found.setdefault(fold(word), {})
            own |= dict.fromkeys(each for each in synonyms if fold(each) != fold(word))
    log.raise_any()
    entries = {word: tuple(synonyms) for word, synonyms in found.items() if synonyms}
    if not entries:
        raise DataError(
            Problem("a dictionary must have a word with a synonym", "none", name),
            hint=f"printf 'quick\\tfast\\trapid\\n' > {shell_path(name)}",
        )
    return Synonyms(entries)


def _read_tabbed(line: Line, name: str) -> tuple[str, list[str]] | BadRow:
    word, *synonyms = (part.strip() for part in line.text.split("\t"))
    if not word or not synonyms or not all(synonyms):
        must = "a line of a dictionary must be a word, a tab, and synonyms with tabs between them"
        return _bad(line, name, must)
    return word, synonyms


def _read_json(line: Line, name: str) -> tuple[str, list[str]] | BadRow:
    must = 'a line of a dictionary must be {"word": "…", "synonyms": ["…", …]}'
    try:
        fields = json.loads(line.text)
    except (ValueError, RecursionError):
        return _bad(line, name, must)
    if not isinstance(fields, dict):
        return _bad(line, name, must)
    word, synonyms = fields.get("word"), fields.get("synonyms")
    texts: list[Any] = [word, *synonyms] if isinstance(synonyms, list) else []
    words = [text.strip() for text in texts if isinstance(text, str) and text.strip()]
    if len(words) < max(2, len(texts)):
        return _bad(line, name, must)
    return words[0], words[1:]


def _bad(line: Line, name: str, must: str) -> BadRow:
    found = shorten(line.text.strip())
    return BadRow(Problem(must, found, f"{name}:{line.number}"), show_line(name, line.number))
