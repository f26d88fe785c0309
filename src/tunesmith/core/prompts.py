"""Prompts as data: a template with named slots, words for the labels, examples, calibration.

This module knows no task and no model: which slots a task fills is the affair of `tasks.asking`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from string import Formatter
from typing import Any, Literal

from tunesmith.core.errors import Problem

By = Literal["likelihood", "cloze"]
Calibration = Literal["none", "contextual", "domain"]

ANSWER_SLOTS = ("label", "mask")
"""Either name marks where the answer stands; `{mask}` is what people who fill gaps call it."""

SHOTS_SLOT = "examples"
SEPARATOR = "\n\n"
"""What stands between two examples, and between the last one and the question."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template cut at its slots: `head` before the examples, `before` and `after` the answer.

    Each part is a tuple of (literal, slot) pairs, slot "" where only the literal stands.
    """

    head: tuple[tuple[str, str], ...]
    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]

    @property
    def tail(self) -> str:
        """The literal between the last slot and the answer: the same in every row."""
        tail = ""
        for literal, slot in self.before:
            tail = tail + literal if not slot else ""
        return tail

    @property
    def slots_behind(self) -> tuple[str, ...]:
        """The slots that stand behind the answer, where only what fills gaps sees them."""
        return tuple(slot for _, slot in self.after if slot)


@dataclass(frozen=True, slots=True)
class Shot:
    """An example inside a prompt: what fills the slots, the answer's words, and the row's id."""

    slots: Mapping[str, str]
    answer: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """All that turns a language model into one that answers a task.

    `by` likelihood weighs words that go on with the text, `cloze` words in a gap. `words` has one
    or several words for each label. `shots` stand before each question; with `nearest` above 0 only
    so many, those most like it, the nearest last. `mean` divides a word's log-probability by its
    tokens. `offsets` are subtracted from what is scored, question after question; empty computes
    them for each row.
    """

    by: By
    template: str
    words: Mapping[str, tuple[str, ...]]
    shots: tuple[Shot, ...] = ()
    nearest: int = 0
    mean: bool = False
    calibration: Calibration = "none"
    offsets: tuple[float, ...] = ()

    @property
    def parsed(self) -> Template:
        """The template, cut at its slots."""
        return parse_template(self.template)

    def template_json(self) -> dict[str, Any]:
        """Return what `bundle.json` keeps as `template`: everything but the calibration."""
        fields = asdict(replace(self, calibration="none", offsets=()))
        del fields["calibration"], fields["offsets"]
        return {**fields, "words": {name: list(own) for name, own in self.words.items()}}

    def calibration_json(self) -> dict[str, Any] | None:
        """Return what `bundle.json` keeps as `calibration`; None where there is none."""
        if self.calibration == "none":
            return None
        return {"method": self.calibration, "offsets": list(self.offsets)}


def prompt_from_json(
    template: Mapping[str, Any], calibration: Mapping[str, Any] | None = None
) -> Prompt:
    """Return the prompt that `template_json` and `calibration_json` gave."""
    given = calibration or {"method": "none", "offsets": ()}
    fields = {
        **template,
        "words": {name: tuple(own) for name, own in template["words"].items()},
        "shots": tuple(Shot(**shot) for shot in template["shots"]),
    }
    return Prompt(**fields, calibration=given["method"], offsets=tuple(given["offsets"]))


def parse_template(text: str) -> Template:
    """Return a template cut at its slots. Raises `ValueError` where its braces do not close.

    >>> parse_template("Say it. {examples}{text} is {label}!").tail
    ' is '
    """
    parts: list[list[tuple[str, str]]] = [[], [], []]
    pieces = list(Formatter().parse(text))
    at = 1 if not any(slot == SHOTS_SLOT for _, slot, _, _ in pieces) else 0
    for literal, slot, form, conversion in pieces:
        if form or conversion:
            raise ValueError(f"a slot is a name alone; got {{{slot}}} with a format")
        if literal:
            parts[at].append((literal, ""))
        if slot == SHOTS_SLOT:
            at = max(at, 1)
        elif slot in ANSWER_SLOTS:
            at = 2
        elif slot is not None:
            parts[at].append(("", slot))
    head, before, after = map(tuple, parts)
    return Template(head, before, after)


def fill(parts: Sequence[tuple[str, str]], slots: Mapping[str, str]) -> str:
    """Return a part of a template with its slots filled."""
    return "".join(slots[slot] if slot else literal for literal, slot in parts)


def template_problems(
    text: str, *, needed: Sequence[str], known: Sequence[str], others: Mapping[str, str]
) -> list[Problem]:
    """Return every problem of a template for a task.

    It must hold the `needed` slots and may hold the `known` ones; `others` says, by name of a slot,
    which task has it.
    """
    try:
        names = [slot for _, slot, _, _ in Formatter().parse(text) if slot is not None]
        parse_template(text)
    except ValueError as error:
        return [Problem(f"a template must close its braces, `{{{{` being one; {error}", text)]
    problems = []
    answers = [name for name in names if name in ANSWER_SLOTS]
    if len(answers) != 1:
        found = f"{len(answers)} of them in `{text}`" if answers else f"`{text}`"
        problems.append(
            Problem("a template must hold `{label}` (or `{mask}`) once: the answer's place", found)
        )
    for name in dict.fromkeys(names):
        if name not in (*known, *ANSWER_SLOTS, SHOTS_SLOT):
            problems.append(_unknown_slot(name, known, others))
    for name in needed:
        if name not in names:
            problems.append(Problem(f"a template must hold `{{{name}}}`", f"`{text}`"))
    if SHOTS_SLOT in names:
        first = names.index(SHOTS_SLOT)
        if first or names.count(SHOTS_SLOT) > 1:
            problems.append(
                Problem("`{examples}` must be the first slot of a template, once", f"`{text}`")
            )
    return problems


def _unknown_slot(name: str, known: Sequence[str], others: Mapping[str, str]) -> Problem:
    listed = ", ".join(f"{{{slot}}}" for slot in (*known, *ANSWER_SLOTS, SHOTS_SLOT))
    found = f"`{{{name}}}`"
    if name in others:
        found += f", a slot of {others[name]}"
    elif near := get_close_matches(name, (*known, *ANSWER_SLOTS, SHOTS_SLOT), n=1, cutoff=0.5):
        found += f"; did you mean `{{{near[0]}}}`?"
    return Problem(f"a slot of this template must be one of {listed}", found)
