"""A soft prompt whose classifier is the words of the labels: how a backbone is readied for it."""

from __future__ import annotations

import numpy as np

from tunesmith.core.deltas import SoftPrompt
from tunesmith.core.errors import Problem, SpecError
from tunesmith.core.prompts import Prompt
from tunesmith.model.backbones import Backbone
from tunesmith.model.framing import find_frame
from tunesmith.model.heads.speak import speaking_of
from tunesmith.model.prompt_tokens import with_prompt
from tunesmith.runtime.prompt_ids import answer_ids, make_reader, refuse_words
from tunesmith.tasks.asking import complete_words, find_template_problems
from tunesmith.tasks.task import Task

TEMPLATES = {"en": "{text}\nLabel: {label}", "zh-CN": "{text}\n类别：{label}"}
"""What stands behind a text: before it the soft prompt does."""


def with_words(
    backbone: Backbone, method: SoftPrompt, task: Task, *, language: str, seed: int
) -> Backbone:
    """Return a backbone that is asked for a label by its tokenizer: soft prompt, text, question.

    Its config names the tokens of the labels' words. Raises `SpecError` with all that cannot be:
    another task, a template that does not begin with its text, words that no single token tells
    apart.
    """
    speaking = speaking_of(backbone.model.config)
    template = method.template or TEMPLATES[language]
    problems = _problems(task, speaking, template)
    if problems:
        raise SpecError(problems, hint="--set method.template='{text}\\nLabel: {label}'")
    words = complete_words(task, method.words, language)
    prompt = Prompt("cloze" if speaking == "masked" else "likelihood", template, words)
    reader = make_reader(
        backbone.tokenizer, speaking=speaking, max_length=backbone.card.context, prompt=prompt
    )
    refuse_words(reader)
    ids = {label: [answer_ids(reader, word) for word in own] for label, own in words.items()}
    shared = shared_beginning(ids) if speaking == "causal" else ()
    ids = {label: [own[len(shared) :] for own in listed] for label, listed in ids.items()}
    _refuse_unclear(ids, words, speaking=speaking)
    tokenizer = backbone.tokenizer
    behind = (*reader.encode(reader.template.tail.rstrip(" ")), *shared)
    gap = tokenizer.mask_token_id if speaking == "masked" else None
    if gap is not None:
        after = reader.encode("".join(literal for literal, _ in reader.template.after))
        behind = (*behind, gap, *after, *find_frame(tokenizer).after)
    made = with_prompt(backbone, method, seed=seed, behind=behind)
    made.model.config.label_words = [[int(own[0]) for own in ids[label]] for label in task.labels]
    made.model.config.gap_id = gap
    return made


def _problems(task: Task, speaking: str, template: str) -> list[Problem]:
    if task.kind != "classification":
        must = "`method.head` words is for tasks that ask for the label of one text"
        return [Problem(must, task.kind)]
    problems = find_template_problems(task, template)
    if speaking == "seq2seq":
        must = "`method.head` words must have a model that goes on with a text, or fills gaps"
        problems.append(Problem(must, "an encoder-decoder"))
    if not template.startswith("{text}") or "{examples}" in template:
        must = "the template of a soft prompt must begin with `{text}`: the prompt stands before it"
        problems.append(Problem(must, f"`{template}`"))
    return problems


def shared_beginning(ids: dict[str, list[np.ndarray]]) -> tuple[int, ...]:
    """Return the tokens that all words begin with, a blank often: the question ends with them."""
    every = [own.tolist() for listed in ids.values() for own in listed]
    shortest = min(len(own) for own in every) - 1
    same = [len({own[at] for own in every}) == 1 for at in range(shortest)]
    count = same.index(False) if False in same else shortest
    return tuple(every[0][:count])


def _refuse_unclear(ids: dict, words: dict, *, speaking: str) -> None:
    """Refuse words that one token does not tell: it is all that is read."""
    problems = []
    owners: dict[int, str] = {}
    for label, own in ids.items():
        for word, tokens in zip(words[label], own, strict=True):
            if speaking == "masked" and len(tokens) > 1:
                must = f"a word of `{label}` must be one token to fill one gap"
                problems.append(Problem(must, f"{word!r}, {len(tokens)} tokens"))
            if owners.setdefault(int(tokens[0]), label) != label:
                must = f"words of `{label}` and `{owners[int(tokens[0])]}` must begin differently"
                problems.append(Problem(must, repr(word)))
    if problems:
        raise SpecError(problems, hint="--set method.words.LABEL='another word'")
