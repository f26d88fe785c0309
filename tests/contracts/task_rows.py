"""Rows of every task that a tiny model learns at once, and which model that is."""

from __future__ import annotations

import json


def _classification(number):
    word = "good" if number % 2 else "bad"
    return {"text": f"the card {number} is {word}", "label": word}


def _multilabel(number):
    labels = [name for name, word in (("G", "good"), ("B", "bad")) if (number >> (name == "B")) % 2]
    words = [{"G": "good", "B": "bad"}[name] for name in labels]
    return {"text": f"the order {number} is {' '.join(words)}", "labels": labels}


def _ner(number):
    text = f"my order {number} is a card"
    start = text.index("card")
    entities = [{"start": start, "end": start + 4, "type": "ITEM"}]
    return {"text": text, "entities": entities if number % 3 else []}


def _matching(number):
    first, second = ("good" if number % 2 else "bad"), ("good" if number % 3 else "bad")
    label = "both" if first == second == "good" else "other"
    return {"text_a": f"it {number} is {first}", "text_b": f"a {second} card", "label": label}


def _alike(number):
    pair = _matching(number)
    return {**pair, "score": 5.0 if pair.pop("label") == "both" else 0.0}


def _relation(number):
    words = ["my", "card", "is", "lost", "the", "order", "is", "late"]
    head, tail = (1, 5) if number % 2 else (5, 1)
    starts = [sum(len(word) + 1 for word in words[:index]) for index in range(len(words))]
    head, tail = (
        {"start": starts[index], "end": starts[index] + len(words[index])} for index in (head, tail)
    )
    text = " ".join(words) + f" {number}"
    return {
        "text": text,
        "head": head,
        "tail": tail,
        "label": "r(e1,e2)" if number % 2 else "Other",
    }


def _qa(number):
    color = ("good", "bad", "late")[number % 3]
    context = f"order {number} my card is {color} please refund it"
    answer = {"text": color, "start": context.index(color)}
    return {"context": context, "question": "where is the card?", "answers": [answer]}


def _choice(number):
    right = number % 3
    choices = ["late", "late", "late"]
    choices[right] = "refund"
    if number % 2:
        choices.append("lost")
    return {"context": f"order {number}", "question": "to?", "choices": choices, "answer": right}


ITEMS = [f"the {word} card {letter}" for letter in "abcdef" for word in ("good", "bad")]


def write_rows(folder, task, count):
    """Write so many rows of a task; return their file, and the settings that name its items."""
    data = folder / "rows.jsonl"
    data.write_text(as_lines(ROWS[task](number) for number in range(count)), "utf-8")
    if task != "recommendation":
        return data, {}
    items = folder / "items.jsonl"
    items.write_text(
        as_lines({"item": f"i{at}", "text": text} for at, text in enumerate(ITEMS)), "utf-8"
    )
    return data, {"items": str(items)}


def as_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def _recommendation(number):
    user, step = divmod(number, 5)
    item = (user + step) % len(ITEMS)
    return {"user": f"u{user}", "item": f"i{item}", "value": 1.0, "time": float(number)}


def _summarization(number):
    places = ("good", "bad", "late")
    first, second = places[number % 3], places[(number + 1) % 3]
    turns = [
        f"#A#: where is order {number}?",
        f"#B#: it is {first}.",
        f"#A#: please refund it {second}.",
    ]
    return {"document": "\n".join(turns), "summary": f"refund it {second} {number}"}


def _written_summary(number):
    word = ("good", "bad", "late")[number % 3]
    turns = [
        f"#A#: where is order {number}?",
        f"#B#: the card is {word}.",
        "#A#: please refund it.",
    ]
    return {"document": "\n".join(turns), "summary": f"refund it to the {word} card please"}


def _translation(number):
    word = ("good", "bad", "late")[number % 3]
    return {"source": f"card {number} is {word}", "target": f"it is the {word} order to refund"}


def _generation(number):
    word = ("good", "bad", "late")[number % 3]
    first = [("user", f"is it {number}"), ("assistant", "it is a card")] if number % 2 else []
    turns = [*first, ("user", f"{word}?")]
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"messages": messages, "reply": f"the {word} order to refund"}


ROWS = {
    "classification": _classification,
    "multilabel": _multilabel,
    "ner": _ner,
    "matching": _matching,
    "matching apart": _alike,
    "relation": _relation,
    "qa": _qa,
    "choice": _choice,
    "recommendation": _recommendation,
    "summarization": _summarization,
    "summarization written": _written_summary,
    "summarization causal": _written_summary,
    "translation": _translation,
    "translation causal": _translation,
    "generation": _generation,
    "generation causal": _generation,
    "classification asked": _classification,
    "multilabel asked": _multilabel,
    "matching asked": _matching,
    "matching alike asked": _alike,
    "relation asked": _relation,
    "choice asked": _choice,
}
ASKED = tuple(task for task in ROWS if task.endswith(" asked"))
"""Rows for models that are asked in words."""

MODELS = {
    "summarization written": "tiny_writer",
    "summarization causal": "tiny_decoder",
    "translation": "tiny_writer",
    "translation causal": "tiny_decoder",
    "generation": "tiny_writer",
    "generation causal": "tiny_decoder",
    "classification asked": "tiny_decoder",
    "multilabel asked": "tiny_writer",
    "matching asked": "tiny_masked",
    "matching alike asked": "tiny_decoder",
    "relation asked": "tiny_masked",
    "choice asked": "tiny_decoder",
}
"""The fixture of the model that is tuned, where it is not `tiny_model`: of what writes."""

EPOCHS = dict.fromkeys(MODELS, 24)

PROMPTS = ("soft-prompt", "p-tuning")
"""Methods that learn vectors before a text."""


def kind_of(task):
    return task.partition(" ")[0]


def held_rows(task):
    """Return rows that no fit here has seen."""
    return [ROWS[task](number) for number in range(100, 112)]


def as_asked(row):
    """Return a row as `predict` is given it: its only text, or a JSON object."""
    only = next(iter(row.values()))
    return only if len(row) == 1 and isinstance(only, str) else json.dumps(row)
