"""Forms that a text is held to while it is written: some choices, a regular expression, a schema.

Before each token those that would leave the form are made impossible, whatever the model makes of
them. Choices are held by a trie of our own; grammars by llguidance, an extra.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from transformers import LogitsProcessor

from tunesmith.core.errors import MissingExtraError, SpecError
from tunesmith.core.recipe import DecodingRecipe

KEPT_STATES = 4096
"""Beginnings of texts whose state is remembered; beyond that the oldest go."""

_TOKENIZERS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


class Form(Protocol):
    """What may come next: `allowed` returns (N,) the ids that may follow the ids written so far."""

    def allowed(self, written: tuple[int, ...]) -> np.ndarray:
        """Return the ids that may follow; none where nothing may."""
        ...


class ChoiceForm:
    """One of some texts, whole: a trie over their ids, each closed by the end of a text."""

    def __init__(self, texts: Sequence[Sequence[int]], *, ends: Sequence[int]) -> None:
        """Build the trie of the ids of each text."""
        self._children: dict[tuple[int, ...], set[int]] = {}
        for ids in texts:
            for at, token in enumerate(ids):
                self._children.setdefault(tuple(ids[:at]), set()).add(int(token))
            self._children.setdefault(tuple(ids), set()).update(ends)

    def allowed(self, written: tuple[int, ...]) -> np.ndarray:
        """Return the ids that go on towards a text, or end it."""
        return np.array(sorted(self._children.get(written, ())), dtype=np.int64)


class GrammarForm:
    """A text that a grammar of llguidance takes (a regular expression or a JSON schema)."""

    def __init__(self, tokenizer: Any, grammar: str, *, ends: Sequence[int]) -> None:
        """Begin with nothing written. Raises `SpecError` where the grammar says nothing."""
        from llguidance import LLMatcher  # noqa: PLC0415 (an extra)

        own = _grammar_tokenizer(tokenizer, ends)
        matcher = LLMatcher(own, grammar)
        if matcher.is_error():
            raise SpecError(
                f"a form of answers must be one that can be read; {_first_line(matcher)}",
                hint="--set decoding.regex='[0-9]+', or --set decoding.json_schema=TEXT",
            )
        self._states: dict[tuple[int, ...], Any] = {(): matcher}
        self._ends = np.array(sorted(ends), dtype=np.int64)

    def allowed(self, written: tuple[int, ...]) -> np.ndarray:
        """Return the ids after which the text can still become one that the grammar takes."""
        matcher = self._state(written)
        if matcher is None or matcher.is_stopped():
            return self._ends
        found = np.flatnonzero(np.frombuffer(matcher.compute_logit_bias(), dtype=np.uint8))
        return found if len(found) else self._ends

    def _state(self, written: tuple[int, ...]) -> Any:
        """Return the matcher behind some ids; None where they leave the grammar."""
        if written not in self._states:
            before = self._state(written[:-1])
            state = None if before is None or before.is_stopped() else before.deep_copy()
            if state is not None and not state.consume_token(written[-1]):
                state = None
            if len(self._states) > KEPT_STATES:
                del self._states[list(self._states)[1]]
            self._states[written] = state
        return self._states[written]


class HeldTo(LogitsProcessor):
    """Scores in which a token that would leave the form is impossible.

    `begin` is where in a row the text that is written begins. A text that ended, or that nothing
    may follow, is left to itself.
    """

    def __init__(self, form: Form, *, begin: int, ends: Sequence[int]) -> None:
        """Hold texts that begin at `begin` and end with one of `ends`."""
        self._form, self._begin, self._ends = form, begin, frozenset(ends)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return (B, V) the scores, minus infinity outside the form."""
        held = torch.full_like(scores, float("-inf"))
        for row, ids in enumerate(input_ids[:, self._begin :].tolist()):
            if self._ends & set(ids):
                held[row] = scores[row]
                continue
            allowed = self._form.allowed(tuple(ids))
            allowed = allowed[allowed < scores.shape[1]]
            at = torch.from_numpy(allowed if len(allowed) else np.array(sorted(self._ends)))
            at = at.to(scores.device)
            held[row, at] = scores[row, at].clamp(min=torch.finfo(scores.dtype).min)
        return held


def wished_forms(decoding: DecodingRecipe) -> list[str]:
    """Return the settings that hold texts to a form, by name."""
    return [name for name in ("choices", "regex", "json_schema") if getattr(decoding, name)]


def make_form(
    tokenizer: Any, decoding: DecodingRecipe, *, before: Sequence[int], ends: Sequence[int]
) -> Form | None:
    """Return what texts are held to; None where nothing is asked for.

    `before` are ids that a decoder writes before a text. Raises `SpecError` where more than one
    form is asked for, or one that cannot be held, and `MissingExtraError` without llguidance.
    """
    wished = wished_forms(decoding)
    if not wished:
        return None
    if len(wished) > 1:
        raise SpecError(
            f"`decoding` must hold texts to one form; got {' and '.join(wished)}",
            hint=f"leave out --set decoding.{wished[-1]}=…",
        )
    if decoding.choices:
        return _choice_form(tokenizer, decoding.choices, before=before, ends=ends)
    if before:
        raise SpecError(
            f"`decoding.{wished[0]}` must have a decoder that writes nothing before a text",
            hint='--set decoding.choices=\'["one", "another"]\' works for every model that writes',
        )
    if importlib.util.find_spec("llguidance") is None:
        raise MissingExtraError(
            f"`decoding.{wished[0]}` needs the package llguidance, which is not installed",
            hint="pip install 'tunesmith[forms]'",
        )
    return GrammarForm(tokenizer, _grammar(decoding), ends=ends)


def _choice_form(
    tokenizer: Any, choices: Sequence[str], *, before: Sequence[int], ends: Sequence[int]
) -> ChoiceForm:
    unknown = tokenizer.unk_token_id
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in choices]
    problems = [
        f"a choice must have tokens that the vocabulary knows; got {text!r}"
        for text, ids in zip(choices, encoded, strict=True)
        if not ids or (unknown is not None and unknown in ids)
    ]
    if problems:
        raise SpecError(problems, hint='--set decoding.choices=\'["one", "another"]\'')
    return ChoiceForm([[*before, *ids] for ids in encoded], ends=ends)


def _grammar(decoding: DecodingRecipe) -> str:
    from llguidance import LLMatcher  # noqa: PLC0415 (an extra)

    if decoding.regex:
        return LLMatcher.grammar_from_regex(decoding.regex)
    try:
        schema = json.loads(decoding.json_schema or "")
    except ValueError as error:
        raise SpecError(
            f"`decoding.json_schema` must be the text of a JSON schema; {error}",
            hint='--set decoding.json_schema="$(cat schema.json)"',
        ) from error
    plain: Any = {"whitespace_flexible": False}  # a model that is lost would write blanks for ever
    return LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=plain)


def _grammar_tokenizer(tokenizer: Any, ends: Sequence[int]) -> Any:
    """Return llguidance's form of a tokenizer, made once: it takes seconds for a large one."""
    if tokenizer not in _TOKENIZERS:
        from llguidance.hf import from_tokenizer  # noqa: PLC0415 (an extra)

        try:
            _TOKENIZERS[tokenizer] = from_tokenizer(
                tokenizer, n_vocab=len(tokenizer), eos_token=list(ends)
            )
        except Exception as error:
            first = str(error).strip().splitlines()[0][:200]
            raise SpecError(
                "a grammar needs a vocabulary whose tokens are bytes or characters of a text (BPE, "
                f"unigram); this one is not: {first}",
                hint='--set decoding.choices=\'["one", "another"]\', or another --model',
            ) from error
    return _TOKENIZERS[tokenizer]


def _first_line(matcher: Any) -> str:
    return (matcher.get_error().strip().splitlines() or ["it is none"])[0][:200]
