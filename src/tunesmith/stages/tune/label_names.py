"""What the names of labels say, as texts beside those of the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tunesmith.core.errors import SpecError
from tunesmith.core.examples import TextInput
from tunesmith.core.methods import ZeroShot
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Window
from tunesmith.runtime.engine import Engine
from tunesmith.tasks.labels import spoken_label

NAMED_SLOT = re.compile(r"\{(?:label|mask)\}")
"""What a template for prompts calls the place of the words, which here is `{}` as well."""

OTHER_SLOT = re.compile(r"\{[a-z_]+\}")
_LETTER = re.compile(r"[^\W\d_]")
_NUMBERED = re.compile(r"(label|class|category|tag|类别?|标签)?\s*\d+")


def are_words(labels: Sequence[str]) -> bool:
    """Tell whether every name says something: `refund` does; `7`, `class_7` and `x` do not.

    A single Chinese character does, as it is a word.
    """
    return all(map(_says_something, labels))


def _says_something(label: str) -> bool:
    spoken = spoken_label(label)
    letters = _LETTER.findall(spoken)
    is_letter = len(letters) == 1 and letters[0].isascii()
    return bool(letters) and not is_letter and not _NUMBERED.fullmatch(spoken.lower())


def label_texts(labels: Sequence[str], method: ZeroShot) -> Iterator[str]:
    """Yield the text that stands for each label: its own words, or those `method` gives it.

    Raises `SpecError` where words are given for no label, a label has none, or the template holds
    slots that only a prompt fills.
    """
    if unknown := set(method.words) - set(labels):
        raise SpecError(
            f"`method.words` must name labels of the rows; got {', '.join(sorted(unknown))}",
            hint=f"the labels are {', '.join(labels[:10])}",
        )
    around = NAMED_SLOT.sub("{}", method.template or "{}")
    if others := OTHER_SLOT.findall(around):
        raise SpecError(
            "a template for vectors stands around the words alone; got "
            f"{', '.join(dict.fromkeys(others))} in `{method.template}`",
            hint="--set method.template='a text about {label}', or a --model that guesses words",
        )
    for label in labels:
        words = ", ".join(method.words.get(label) or ()) or spoken_label(label)
        if not words:
            raise SpecError(
                f"the label `{label}` must have words to be compared with",
                hint=f"--set method.words.{label}='what it means'",
            )
        yield around.replace("{}", words)


def text_windows(engine: Engine, texts: Sequence[str]) -> list[Window]:
    """Return texts as the windows that `engine` reads."""
    return list(encode_windows(engine.tokenizer, map(TextInput, texts), engine.reading))
