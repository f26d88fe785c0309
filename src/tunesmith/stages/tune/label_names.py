"""What the names of labels say: as texts, and as vectors beside those of the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import TextInput
from tunesmith.core.methods import ZeroShot
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Window
from tunesmith.runtime.engine import Engine, window_vectors

_JOINTS = re.compile(r"[_\-./\s]+|(?<=[a-z])(?=[A-Z])")
_LETTER = re.compile(r"[^\W\d_]")
_NUMBERED = re.compile(r"(label|class|category|tag|类别?|标签)?\s*\d+")


def spoken_name(label: str) -> str:
    """Return a label as a person would say it.

    >>> spoken_name("lost_or_stolenCard")
    'lost or stolen Card'
    """
    return " ".join(_JOINTS.split(label)).strip()


def are_words(labels: Sequence[str]) -> bool:
    """Tell whether every name says something: `refund` does; `7`, `class_7` and `x` do not.

    A single Chinese character does, as it is a word.
    """
    return all(map(_says_something, labels))


def _says_something(label: str) -> bool:
    spoken = spoken_name(label)
    letters = _LETTER.findall(spoken)
    is_letter = len(letters) == 1 and letters[0].isascii()
    return bool(letters) and not is_letter and not _NUMBERED.fullmatch(spoken.lower())


def label_texts(labels: Sequence[str], method: ZeroShot) -> Iterator[str]:
    """Yield the text that stands for each label: its own words, or those `method` gives it.

    Raises `SpecError` where words are given for no label, or a label has none.
    """
    if unknown := set(method.words) - set(labels):
        raise SpecError(
            f"`method.words` must name labels of the rows; got {', '.join(sorted(unknown))}",
            hint=f"the labels are {', '.join(labels[:10])}",
        )
    for label in labels:
        words = method.words.get(label) or spoken_name(label)
        if not words:
            raise SpecError(
                f"the label `{label}` must have words to be compared with",
                hint=f"--set method.words.{label}='what it means'",
            )
        yield method.template.replace("{}", words)


def text_windows(engine: Engine, texts: Sequence[str]) -> list[Window]:
    """Return texts as the windows that `engine` reads."""
    return list(encode_windows(engine.tokenizer, map(TextInput, texts), engine.reading))


def text_vectors(engine: Engine, texts: Sequence[str]) -> np.ndarray:
    """Return (C, H): the vector of each text, the mean over its windows."""
    windows = text_windows(engine, texts)
    vectors = window_vectors(engine, windows)
    found = np.zeros((len(texts), vectors.shape[1]), dtype=np.float64)
    for window, vector in zip(windows, vectors, strict=True):
        found[window.row] += window.share * vector
    return found
