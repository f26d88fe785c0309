"""A prompt and a row to token ids: instruction, examples, question, answers, and the room for them.

What an answer's tokens are depends on the template's words before it alone, so that they are the
same in every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tunesmith.core.errors import Problem, SpecError
from tunesmith.core.examples import Inputs
from tunesmith.core.prompts import SEPARATOR, Prompt, Shot, Template, fill
from tunesmith.model.encoding_writing import find_writing_frame
from tunesmith.model.framing import find_frame
from tunesmith.model.likelihood import AskedIds
from tunesmith.tasks.asking import Question, questions
from tunesmith.tasks.task import Task

FEWEST_TEXT_TOKENS = 8
"""Tokens that a question is given at least; what stands before it must leave as many."""

MOST_KNOWN = 10_000
"""Answers whose ids are remembered: labels are few, choices of rows are not."""

_NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class PromptReader:
    """What makes ids of a prompt for one model.

    `speaking` says how the model speaks, `max_length` how many tokens it reads. `known` remembers
    the ids of answers.
    """

    tokenizer: Any
    speaking: str
    max_length: int
    prompt: Prompt
    template: Template
    before: tuple[int, ...]
    end: tuple[int, ...]
    start: tuple[int, ...]
    known: dict[str, np.ndarray] = field(default_factory=dict)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text without special tokens."""
        if not text:
            return []
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        return len(self.encode(text))


def make_reader(tokenizer: Any, *, speaking: str, max_length: int, prompt: Prompt) -> PromptReader:
    """Return what makes ids of a prompt. `end` and `start` are what the model's kind asks for."""
    frame = find_frame(tokenizer)
    end: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    if speaking == "masked":
        end = frame.after
    elif speaking == "seq2seq":
        writing = find_writing_frame(tokenizer, "seq2seq")
        end, start = writing.source.after, writing.target.before
    return PromptReader(
        tokenizer, speaking, max_length, prompt, prompt.parsed, frame.before, end, start
    )


def shots_text(reader: PromptReader, shots: Sequence[Shot]) -> str:
    """Return examples with their answers, as they stand before a question."""
    template = reader.template
    told = [
        fill(template.before, shot.slots) + shot.answer + fill(template.after, shot.slots)
        for shot in shots
    ]
    return "".join(text.strip() + SEPARATOR for text in told)


def prefix_ids(reader: PromptReader, shots: Sequence[Shot]) -> np.ndarray:
    """Return (P,) the ids before every question: those that begin a text, instruction, examples."""
    text = fill(reader.template.head, {}) + shots_text(reader, shots)
    return np.array([*reader.before, *reader.encode(text)], dtype=np.int64)


def question_texts(reader: PromptReader, slots: Mapping[str, str]) -> tuple[str, str]:
    """Return the texts before and behind an answer, without the blanks that belong to it.

    Only a gap has something behind it: what goes on with a text has not read it.
    """
    before = fill(reader.template.before, slots).rstrip(" ")
    after = fill(reader.template.after, slots) if reader.speaking == "masked" else ""
    return before, after


def question_ids(
    reader: PromptReader, question: Question, *, prefix: int, shots: Sequence[Shot] = ()
) -> tuple[AskedIds, bool]:
    """Return a question behind `prefix` tokens as ids, and whether it had to be cut.

    `shots` are examples of this question alone.
    """
    own = weighed_ids(reader, question)
    beside = reader.encode(shots_text(reader, shots))
    room = room_for(reader, prefix + len(beside), max(map(len, own)))
    before, after = (reader.encode(text) for text in question_texts(reader, question.slots))
    is_long = len(before) + len(after) > room
    if is_long:
        before, after = _cut(reader, question.slots, room)
    ids = np.array([*beside, *before], dtype=np.int64)
    return AskedIds(ids, np.array(after, dtype=np.int64), own), is_long


def bare_ids(reader: PromptReader, question: Question) -> AskedIds:
    """Return a question of which only the words right before the answer are left."""
    own = weighed_ids(reader, question)
    tail = reader.encode(reader.template.tail.strip(" "))
    return AskedIds(np.array(tail, dtype=np.int64), _NOTHING, own)


def answer_ids(reader: PromptReader, word: str) -> np.ndarray:
    """Return (T,) the ids of an answer behind the template's own words; T may be 0."""
    if word not in reader.known:
        if len(reader.known) >= MOST_KNOWN:
            reader.known.clear()
        tail = reader.template.tail
        bare = tail.rstrip(" ")
        text = tail[len(bare) :] + word
        context, whole = reader.encode(bare), reader.encode(bare + text)
        goes_on = bool(bare) and whole[: len(context)] == context and len(whole) > len(context)
        ids = whole[len(context) :] if goes_on else reader.encode(text)
        reader.known[word] = np.array(ids, dtype=np.int64)
    return reader.known[word]


def weighed_ids(reader: PromptReader, question: Question) -> tuple[np.ndarray, ...]:
    """Return the ids of all words of a question; a choice without tokens is read as unknown."""
    unknown = reader.tokenizer.unk_token_id or reader.tokenizer.pad_token_id
    found = [answer_ids(reader, word) for group in question.answers for word in group]
    return tuple(ids if len(ids) else np.array([unknown], dtype=np.int64) for ids in found)


def room_for(reader: PromptReader, prefix: int, longest: int) -> int:
    """Return the tokens left for a question; a decoder beside an encoder answers elsewhere."""
    behind = 0 if reader.speaking == "seq2seq" else longest
    return max(FEWEST_TEXT_TOKENS, reader.max_length - prefix - behind - len(reader.end))


def needed_tokens(reader: PromptReader, task: Task, item: Inputs) -> int:
    """Return the tokens of a row's longest question, up to half of the window, and its answer."""
    asked = questions(task, item, reader.prompt.words)
    longest = max(
        sum(reader.count(text) for text in question_texts(reader, each.slots)) for each in asked
    )
    return min(longest, reader.max_length // 2) + longest_answer(reader, asked)


def longest_answer(reader: PromptReader, asked: Sequence[Question]) -> int:
    """Return the tokens of the longest answer of some questions."""
    words = {word for each in asked for group in each.answers for word in group}
    return max((len(answer_ids(reader, word)) for word in words), default=1)


def fitting_shots(
    reader: PromptReader, shots: Sequence[Shot], *, needed: int, drop_first: bool
) -> tuple[Shot, ...]:
    """Return the examples that leave `needed` tokens for a question.

    They go from the first on, or those that find no room in their order.
    """
    if drop_first:
        kept = list(shots)
        while kept and _free(reader, kept) < needed:
            kept.pop(0)
        return tuple(kept)
    taken: list[Shot] = []
    for shot in shots:
        if _free(reader, [*taken, shot]) >= needed:
            taken.append(shot)
    return tuple(taken)


def word_problems(reader: PromptReader, words: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Return what is wrong with words for labels in this model's vocabulary, all at once.

    A word must have tokens, none of them the unknown one, and no two labels the same tokens.
    """
    problems = []
    unknown = reader.tokenizer.unk_token_id
    owners: dict[tuple[int, ...], str] = {}
    for label, own in words.items():
        for word in own:
            ids = answer_ids(reader, word)
            if not len(ids):
                problems.append(Problem(f"a word of `{label}` must have tokens", repr(word)))
            elif unknown is not None and (ids == unknown).any():
                found = f"{word!r}, which is read as {reader.tokenizer.unk_token}"
                must = f"the vocabulary must know the words of `{label}`"
                problems.append(Problem(must, found))
            elif owners.setdefault(tuple(ids.tolist()), label) != label:
                other = owners[tuple(ids.tolist())]
                must = f"`{label}` and `{other}` must have words of different tokens"
                problems.append(Problem(must, repr(word)))
    return problems


def refuse_words(reader: PromptReader) -> None:
    """Raise `SpecError` with all that `word_problems` finds in the prompt's words."""
    if problems := word_problems(reader, reader.prompt.words):
        raise SpecError(
            problems,
            hint="--set method.words.LABEL='a word that the model knows', or another --model",
        )


def order_problems(reader: PromptReader) -> list[Problem]:
    """Return what a template has behind its answer that a model of this kind cannot read."""
    if reader.speaking == "masked" or not reader.template.slots_behind:
        return []
    behind = ", ".join(f"{{{slot}}}" for slot in reader.template.slots_behind)
    return [
        Problem(
            "a template must end with its answer where the model goes on with a text "
            f"({reader.speaking})",
            f"{behind} behind it in `{reader.prompt.template}`",
        )
    ]


def _free(reader: PromptReader, shots: Sequence[Shot]) -> int:
    """Return the tokens that examples leave for a question and its answer; below 0 are too many."""
    return reader.max_length - len(prefix_ids(reader, shots)) - len(reader.end)


def _cut(reader: PromptReader, slots: Mapping[str, str], room: int) -> tuple[list[int], list[int]]:
    """Return the ids of a question whose longest texts end early, so that it fits `room`.

    If the template alone is longer its beginning goes: on what stands before an answer it hangs.
    """
    own = dict(slots)
    while True:
        before, after = (reader.encode(text) for text in question_texts(reader, own))
        excess = len(before) + len(after) - room
        longest = max(own, key=lambda name: len(own[name]), default="")
        if excess <= 0 or not longest or not own[longest]:
            break
        text = own[longest]
        tokens = max(1, reader.count(text))
        kept = int(len(text) * max(0, tokens - excess) / tokens)
        own[longest] = text[: min(kept, len(text) - 1)].rstrip()
    if excess > 0:
        after = after[: max(0, room - FEWEST_TEXT_TOKENS)]
        before = before[max(0, len(before) + len(after) - room) :]
    return before, after
