"""The rows everybody speaks of: what goes in, what should come out, and where it stands.

Character offsets count Unicode code points from 0 and ends are exclusive, for every language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row was read: a file (or `<text>`, `<stdin>`) and its 1-based line."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return `file:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A typed stretch of text, `text[start:end]`."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class TextInput:
    """One text to be read as a whole."""

    text: str


@dataclass(frozen=True, slots=True)
class WordsInput:
    """One text and the (start, end) offsets of its words, in order, without overlaps."""

    text: str
    words: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class PairInput:
    """Two texts to be compared."""

    first: str
    second: str

    @property
    def text(self) -> str:
        """Both texts, as one that is looked at."""
        return f"{self.first}\n{self.second}"


@dataclass(frozen=True, slots=True)
class MarkedInput:
    """One text with two stretches of it, (start, end), whose relation is asked for.

    `types` are what the two are, such as `person`, where that is known.
    """

    text: str
    head: tuple[int, int]
    tail: tuple[int, int]
    types: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class QuestionInput:
    """A question to be answered by a stretch of `context`."""

    question: str
    context: str

    @property
    def text(self) -> str:
        """Question and context, as one text that is looked at."""
        return f"{self.question}\n{self.context}"


@dataclass(frozen=True, slots=True)
class ChoiceInput:
    """A question about `context` (either may be empty) and the replies to choose from."""

    context: str
    question: str
    choices: tuple[str, ...]

    @property
    def text(self) -> str:
        """Context, question and choices, as one text that is looked at."""
        return "\n".join((self.context, self.question, *self.choices))


@dataclass(frozen=True, slots=True)
class HistoryInput:
    """Somebody who is to be shown what he may want next.

    `items` are the ids of what `user` had before, the oldest first; None leaves it to what is known
    of him. `passed` are items he had and did not like. `time` (seconds since 1970) and `value` are
    those of the event that the row tells, where it tells one.
    """

    user: str
    items: tuple[str, ...] | None = None
    passed: tuple[str, ...] = ()
    time: float | None = None
    value: float | None = None

    @property
    def text(self) -> str:
        """User and items, as one text that is looked at."""
        return "\n".join((self.user, *(self.items or ())))


@dataclass(frozen=True, slots=True)
class SentencesInput:
    """One text and the (start, end) offsets of its sentences, in order; at least one."""

    text: str
    sentences: tuple[tuple[int, int], ...]


class Message(NamedTuple):
    """One turn of a conversation: who has it (system, user or assistant), and what is said."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ChatInput:
    """A conversation, its oldest message first; what an assistant says next is asked for.

    Where an assistant has the last word it is a whole one, to be learned from.
    """

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        """Take pairs of role and content as messages."""
        object.__setattr__(self, "messages", tuple(Message(*each) for each in self.messages))

    @property
    def text(self) -> str:
        """All messages, each led by its role, as one text that is looked at."""
        return "\n".join(f"{role}: {content}" for role, content in self.messages)


@dataclass(frozen=True, slots=True)
class WritingInput:
    """A text and what is to be written from it: how training reads a row whose answer is a text."""

    source: str
    target: str

    @property
    def text(self) -> str:
        """Source and target, as one text that is looked at."""
        return f"{self.source}\n{self.target}"


Inputs: TypeAlias = (
    TextInput
    | WordsInput
    | PairInput
    | MarkedInput
    | QuestionInput
    | ChoiceInput
    | HistoryInput
    | SentencesInput
    | WritingInput
    | ChatInput
)
"""Each has `text`: all there is to read in it. What reads them apart matches on the class."""


def spanned_text(inputs: Inputs) -> str:
    """Return the text that the offsets of a gold answer count in: the context, or all of it."""
    return inputs.context if isinstance(inputs, QuestionInput) else inputs.text


def asked_text(inputs: Inputs) -> str:
    """Return the text that an answer is wanted to: a conversation's last message, or all of it."""
    return inputs.messages[-1].content if isinstance(inputs, ChatInput) else inputs.text


INPUTS: dict[str, type] = {
    made.__name__: made
    for made in (
        *(TextInput, WordsInput, PairInput, MarkedInput, QuestionInput, ChoiceInput),
        HistoryInput,
        SentencesInput,
        WritingInput,
        ChatInput,
    )
}


@dataclass(frozen=True, slots=True)
class Example:
    """One row: its inputs, its gold answer if it has one, its id and its place.

    `inputs` and `gold` are what the row's task makes them: a `TextInput` with a label (str) or
    labels (tuple of str), a `WordsInput` with entities (tuple of `Span`), a `PairInput` with a
    label or a score (float), a `MarkedInput` with a label, a `QuestionInput` with the stretches of
    its context that answer it (tuple of `Span`, empty where none does), a `ChoiceInput` with an
    index, a `HistoryInput` with the item that came next, a `SentencesInput`, `TextInput` or
    `ChatInput` with the texts that would be right to write (tuple of str). `gold` is None where the
    row has no answer. `id` is the same in every run. `group` names the document a row belongs to,
    where known; rows of one group are never split apart.
    """

    id: str
    inputs: Any
    gold: Any
    place: Place
    group: str | None = None


def taught_inputs(example: Example) -> Inputs:
    """Return a row whose answer is written as training reads it: with its first reference.

    Without a reference, the inputs as they are. A conversation is given back whole, so that every
    answer in it is learned.
    """
    if not example.gold:
        return example.inputs
    if isinstance(example.inputs, ChatInput):
        return ChatInput((*example.inputs.messages, Message("assistant", example.gold[0])))
    return WritingInput(example.inputs.text, example.gold[0])
