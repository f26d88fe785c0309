"""Guessing which column of a file holds a role, for the hint that a missing column earns.

Nothing is mapped silently: a guess is only ever offered to the user as `--column role=name`.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

from tunesmith.tasks.task import Task

USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "text": (
        *("text", "sentence", "content", "review", "comment", "message", "utterance", "query"),
        *("question", "body", "document", "tweet", "title", "input", "data"),
        *("文本", "内容", "评论", "句子"),
    ),
    "label": (
        *("label", "labels", "category", "class", "intent", "sentiment", "target", "topic"),
        *("label_text", "tag", "type", "rating", "stars", "score", "y", "output"),
        *("标签", "类别", "分类", "情感"),
    ),
    "labels": (
        *("labels", "label", "tags", "categories", "topics", "classes", "genres", "targets"),
        *("标签", "类别"),
    ),
    "entities": ("entities", "spans", "annotations", "ents", "labels", "label", "实体"),
    "tokens": ("tokens", "words", "token", "word"),
    "tags": ("tags", "ner_tags", "ner", "labels", "bio", "tag", "ner_labels"),
    "text_a": ("text_a", "sentence1", "premise", "question1", "query", "text1", "s1"),
    "text_b": ("text_b", "sentence2", "hypothesis", "question2", "document", "text2", "s2"),
    "score": ("score", "similarity_score", "similarity", "label", "rating"),
    "context": ("context", "passage", "article", "paragraph", "document", "text"),
    "question": ("question", "query"),
    "answers": ("answers", "answer"),
    "answer": ("answer", "label", "gold", "correct", "answer_index"),
    "choices": ("choices", "options", "candidates", "endings"),
    "document": ("document", "dialogue", "article", "text", "content", "body", "文章", "正文"),
    "summary": ("summary", "summaries", "highlights", "abstract", "target", "摘要"),
    "head": ("head", "subject", "subj", "e1", "entity1"),
    "tail": ("tail", "object", "obj", "e2", "entity2"),
    "user": ("user", "user_id", "userid", "customer_id", "customer", "reader", "用户", "用户编号"),
    "item": ("item", "item_id", "itemid", "movieid", "product_id", "article_id", "asin", "物品"),
    "value": ("value", "rating", "score", "stars", "评分"),
    "time": ("time", "timestamp", "date", "datetime", "unixreviewtime", "时间"),
    "source": ("source", "src", "text", "sentence", "input", "original", "原文"),
    "target": ("target", "tgt", "translation", "output", "reference", "译文"),
    "messages": (
        *("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat"),
        *("prompt", "instruction", "question", "query", "input", "对话", "问题"),
    ),
    "reply": ("reply", "response", "output", "answer", "completion", "回复", "回答"),
    "id": ("id", "uid", "guid", "idx"),
    "group": ("group", "document", "doc_id", "document_id", "user", "session"),
}


def suggest_columns(task: Task, names: Sequence[str], *, missing: Iterable[str]) -> str:
    """Return the `--column role=name` options that would serve the missing roles of a task."""
    wanted = list(missing)
    roles = {*task.input_roles, *task.gold_roles, *task.extra_roles}
    taken = {name for role in roles if (name := task.columns.get(role, role)) in names}
    guesses = {role: guess_column(role, names, taken=taken) for role in wanted}
    if "tokens" in roles and "text" in wanted and not _usual("text", names, taken):
        tagged = {role: _usual(role, names, taken) for role in ("tokens", "tags")}
        guesses = {role: name for role, name in tagged.items() if name} or guesses
    return " ".join(
        f"--column {role}={shlex.quote(name) if name else 'NAME'}" for role, name in guesses.items()
    )


def guess_column(role: str, names: Sequence[str], *, taken: Collection[str] = ()) -> str:
    """Return the name that most likely holds `role`, or an empty text.

    A usual name for the role comes first, then a similar one, then the only name left.

    >>> guess_column("label", ["text", "category"], taken={"text"})
    'category'
    """
    if usual := _usual(role, names, taken):
        return usual
    free = [name for name in names if name not in taken]
    near = get_close_matches(role, free, n=1, cutoff=0.6)
    left = [name for name in free if name not in USUAL_NAMES["id"] + USUAL_NAMES["group"]]
    return next(iter(near or (left if len(left) == 1 else [])), "")


def _usual(role: str, names: Sequence[str], taken: Collection[str]) -> str:
    by_folded = {name.strip().casefold(): name for name in names if name not in taken}
    usual = USUAL_NAMES.get(role, ())
    return next((by_folded[name] for name in usual if name in by_folded), "")
