"""Whether the model's vocabulary knows the writing of these texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tunesmith.stages.check.context import Context
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.scripts import INDEX, LETTERS, SCRIPTS, count_scripts
from tunesmith.stages.check.tokens import vocabulary_scripts
from tunesmith.stages.check.wording import show_share

UNKNOWN_WARNING = 0.05
UNKNOWN_FAULT = 0.3
SCRIPT_SHARE = 0.01
HAN_SHARE = 0.2
HAN_TOKENS = 3000
"""Tokens with a Han character: BERT's English vocabulary has 488, one made for Chinese far more."""

SPELLED_SHARE = 0.2
SPELLED_CHARACTERS = 1.2
"""Characters a token: about 1 where a writing is spelled, 2 to 4 where its words were learned."""

CHINESE = "google-bert/bert-base-chinese"
MULTILINGUAL = "intfloat/multilingual-e5-small"
MULTILINGUAL_TAGGER = "google-bert/bert-base-multilingual-cased"
"""For entities: it gives each Han character a token, which sentence-piece vocabularies do not."""

BLANK, LATIN, HAN, KANA = (INDEX[name] for name in ("blank", "Latin", "Han", "Kana"))


def check_unknown_characters(context: Context) -> Iterator[Finding]:
    """Yield scripts whose characters become unknown tokens: a fault above 30 % of everything."""
    tokens, card = context.tokens, context.card
    total = int(tokens.characters.sum() - tokens.characters[BLANK])
    unknown = int(tokens.unknown_characters.sum() - tokens.unknown_characters[BLANK])
    worst = int(tokens.unknown_characters[1:].argmax()) + 1
    is_fault = unknown > UNKNOWN_FAULT * total
    if is_fault:
        share = show_share(tokens.unknown_characters[worst], tokens.characters[worst])
        yield Finding(
            "fault",
            "unreadable_texts",
            f"{card.name} cannot read {show_share(unknown, total)} of all characters "
            f"({unknown:,} of {total:,}; of the {_noun(worst)} {share}): they become "
            f"{context.tokenizer.unk_token}. {_advice(context, worst)}",
            figures={"all_characters": total, "all_unknown_characters": unknown}
            | _script_figures(context, worst),
        )
    for script in _unreadable_scripts(context):
        if is_fault and (script == worst or script not in LETTERS):
            continue
        characters = int(tokens.characters[script])
        lost = int(tokens.unknown_characters[script])
        yield Finding(
            "warning",
            "unknown_characters",
            f"{card.name} cannot read {show_share(lost, characters)} of the {_noun(script)} "
            f"({lost:,} of {characters:,}): they become {context.tokenizer.unk_token}. "
            f"{_advice(context, script)}",
            figures=_script_figures(context, script),
        )


def check_chinese_vocabulary(context: Context) -> Iterator[Finding]:
    """Yield where much of the text is Chinese and the model was hardly made for it.

    Silent where unknown Han characters say so already; what is left are vocabularies that spell a
    Chinese character in bytes, or texts that stay within the few hundred they know.
    """
    counts = context.tokens.characters
    letters = int(counts[list(LETTERS)].sum())
    if counts[HAN] < max(1, HAN_SHARE * letters) or HAN in _unreadable_scripts(context):
        return
    known = count_han_tokens(context.tokenizer)
    if known >= HAN_TOKENS:
        return
    yield Finding(
        "warning",
        "chinese_vocabulary",
        f"{show_share(counts[HAN], letters)} of the letters are Han characters, but only {known:,} "
        f"tokens of {context.card.name} hold one: it was not trained on such text. "
        f"{_advice(context, HAN)}",
        figures={
            "han_share": round(int(counts[HAN]) / letters, 6),
            "han_tokens": known,
            "expected_tokens": HAN_TOKENS,
        },
    )


def check_spelling(context: Context) -> Iterator[Finding]:
    """Yield alphabets that the vocabulary has only the letters of, and so no word.

    Chinese has a check of its own; Latin and kana may be spelled on purpose.
    """
    tokens = context.tokens
    letters = int(tokens.characters[list(LETTERS)].sum())
    read_characters = tokens.characters - tokens.unknown_characters
    read_tokens = tokens.tokens - tokens.unknown_tokens
    for script in sorted(set(LETTERS) - {LATIN, HAN, KANA} - set(_unreadable_scripts(context))):
        characters, pieces = int(read_characters[script]), int(read_tokens[script])
        if characters < max(1, SPELLED_SHARE * letters) or not pieces:
            continue
        if characters / pieces < SPELLED_CHARACTERS:
            yield Finding(
                "warning",
                "spelled_out",
                f"{context.card.name} reads {SCRIPTS[script]} letter by letter "
                f"({characters:,} letters in {pieces:,} tokens): it was not trained on such text. "
                f"{_advice(context, script)}",
                figures=_script_figures(context, script),
            )


def count_han_tokens(tokenizer: Any) -> int:
    """Return how many tokens hold a Han character, in byte-level vocabularies too."""
    plain = int((vocabulary_scripts(tokenizer) == HAN).sum())
    if plain >= HAN_TOKENS:
        return plain
    written = [
        tokenizer.convert_tokens_to_string([token])
        for token in tokenizer.get_vocab()
        if not token.isascii()
    ]
    return max(plain, sum(bool(count_scripts([text])[HAN]) for text in written))


def _unreadable_scripts(context: Context) -> list[int]:
    """Return the scripts that matter here and of which more than 5 % is unknown."""
    characters, unknown = context.tokens.characters, context.tokens.unknown_characters
    floor = SCRIPT_SHARE * int(characters.sum() - characters[BLANK])
    return [
        script
        for script in range(BLANK + 1, len(SCRIPTS))
        if characters[script] >= floor and unknown[script] > UNKNOWN_WARNING * characters[script]
    ]


def _noun(script: int) -> str:
    name = SCRIPTS[script]
    return name if name.endswith("s") or name == "punctuation" else f"{name} characters"


def _advice(context: Context, script: int) -> str:
    """Return the model to take instead, by script and by what else the texts are written in."""
    if context.reading.writing:
        return (
            "Take a model that writes in it, or make one of your own text: "
            "`tunesmith pretrain TEXT --objective seq2seq`"
        )
    counts = context.tokens.characters
    wide = MULTILINGUAL_TAGGER if context.task.head == "tag" else MULTILINGUAL
    if script not in LETTERS:
        return f"If they matter, take a model that knows them, such as {wide}: --model {wide}"
    if script != HAN:
        return f"Take a model made for such text, such as {wide}: --model {wide}"
    letters = int(counts[list(LETTERS)].sum())
    is_chinese = counts[HAN] >= letters / 2 and counts[KANA] < SCRIPT_SHARE * letters
    choice = CHINESE if is_chinese else wide
    return (
        f"Take a Chinese or multilingual vocabulary such as {CHINESE} or {wide}: --model {choice}"
    )


def _script_figures(context: Context, script: int) -> dict[str, float | int | str]:
    tokens = context.tokens
    return {
        "script": SCRIPTS[script],
        "characters": int(tokens.characters[script]),
        "unknown_characters": int(tokens.unknown_characters[script]),
        "tokens": int(tokens.tokens[script]),
        "unknown_tokens": int(tokens.unknown_tokens[script]),
    }
