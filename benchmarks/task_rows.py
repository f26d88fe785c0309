"""Public data sets of many tasks as folders of rows that `tunesmith fit` reads.

Each function yields the rows of one split, in the row format of its task.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from record import data_folder

Row: TypeAlias = dict[str, Any]

TRAIN_ARTICLES, VALID_ARTICLES = 38, 4
"""SQuAD's development articles: the first 38 to learn from, the last four of these to choose by."""

MIRRORS_OWN_USER = "611"

_MARK = re.compile(r"(</?e[12]>)")


def stsb_rows(split: str) -> Iterator[Row]:
    """Yield STS-B in English: two sentences and their likeness, 0 to 5."""
    name = {"train": "train", "valid": "dev", "test": "test"}[split]
    path = data_folder("stsb_multi_mt") / f"stsb-en-{name}.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        for first, second, score in csv.reader(stream):
            yield {"text_a": first, "text_b": second, "score": float(score)}


def semeval_rows(split: str) -> Iterator[Row]:
    """Yield SemEval-2010 task 8; its training rows have no validation split of their own."""
    folder = data_folder("semeval2010_task8")
    path = {
        "train": folder / "SemEval2010_task8_training" / "TRAIN_FILE.TXT",
        "test": folder / "SemEval2010_task8_testing_keys" / "TEST_FILE_FULL.TXT",
    }.get(split)
    lines = path.read_text("utf-8").splitlines() if path else []
    for line, label in zip(lines, lines[1:], strict=False):
        if "\t" in line:
            yield {**_marked(line.split("\t", 1)[1].strip().strip('"')), "label": label.strip()}


def squad_rows(split: str) -> Iterator[Row]:
    """Yield SQuAD's development file, split by article: the train file is not at hand."""
    path = data_folder("squad_v1.1_dev") / "dev-v1.1.rebuilt.json"
    articles = json.loads(path.read_text("utf-8"))["data"]
    chosen = {
        "train": articles[: TRAIN_ARTICLES - VALID_ARTICLES],
        "valid": articles[TRAIN_ARTICLES - VALID_ARTICLES : TRAIN_ARTICLES],
        "test": articles[TRAIN_ARTICLES:],
    }[split]
    for article in chosen:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield {
                    "context": paragraph["context"],
                    "question": question["question"],
                    "answers": [
                        {"text": answer["text"], "start": answer["answer_start"]}
                        for answer in question["answers"]
                    ],
                    "id": question["id"],
                    "group": article["title"],
                }


def dream_rows(split: str) -> Iterator[Row]:
    """Yield DREAM: a dialogue, a question about it and three replies."""
    name = {"train": "train", "valid": "dev", "test": "test"}[split]
    dialogues = json.loads((data_folder("dream") / f"{name}.json").read_text("utf-8"))
    for turns, questions, identity in dialogues:
        for question in questions:
            yield {
                "context": "\n".join(turns),
                "question": question["question"],
                "choices": question["choice"],
                "answer": question["choice"].index(question["answer"]),
                "group": identity,
            }


def movielens_rows(split: str) -> Iterator[Row]:
    """Yield MovieLens latest-small in the order of time: each user's last event is test.

    The one before it is valid. User 611 was added by the mirror and is left out.
    """
    path = data_folder("movielens") / "ml-latest-small" / "ratings.csv"
    users: dict[str, list[Row]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for user, item, value, time in list(csv.reader(stream))[1:]:
            row = {"user": user, "item": item, "value": float(value), "time": int(time)}
            if user != MIRRORS_OWN_USER:
                users.setdefault(user, []).append(row)
    for rows in users.values():
        rows.sort(key=lambda row: row["time"])
        yield from {"train": rows[:-2], "valid": rows[-2:-1], "test": rows[-1:]}[split]


def movielens_items() -> Iterator[Row]:
    """Yield the films of MovieLens, each with its title and genres as its text."""
    path = data_folder("movielens") / "ml-latest-small" / "movies.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        for item, title, genres in list(csv.reader(stream))[1:]:
            told = "" if genres.startswith("(no") else genres.replace("|", ", ")
            yield {"item": item, "text": f"{title}. {told}".strip()}


def dialogsum_rows(split: str) -> Iterator[Row]:
    """Yield DialogSum: a talk and its summary; the test rows have three."""
    name = {"valid": "dev"}.get(split, split)
    path = data_folder("dialogsum") / f"dialogsum.{name}.jsonl"
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        summaries = [row[role] for role in row if role.startswith("summary")]
        yield {"document": row["dialogue"], "summary": summaries, "id": row["fname"]}


def multi30k_rows(split: str) -> Iterator[Row]:
    """Yield Multi30k, a sentence on a picture in English and in German; test is that of 2016."""
    name = {"valid": "val", "test": "test_2016_flickr"}.get(split, split)
    folder = data_folder("multi30k")
    sides = [(folder / f"{name}.{side}").read_text("utf-8").splitlines() for side in ("en", "de")]
    for source, target in zip(*sides, strict=True):
        yield {"source": source, "target": target}


def write_sides(rows: Iterable[Row], folder: Path, *, roles: Sequence[str]) -> None:
    """Write all texts of each role as one text, a line each, or a paragraph where they have lines.

    Of several references it is the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = list(rows)
    for role in roles:
        texts = [row[role] if isinstance(row[role], str) else row[role][0] for row in own]
        between = "\n\n" if any("\n" in text for text in texts) else "\n"
        text = between.join(texts)
        (folder / f"{role}.txt").write_text(f"{text}\n", encoding="utf-8")


def write_splits(rows: Callable[[str], Iterator[Row]], folder: Path) -> None:
    """Write the splits that a data set has as `train.jsonl`, `valid.jsonl` and `test.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid", "test"):
        if own := list(rows(split)):
            write_rows(own, folder / f"{split}.jsonl")


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write rows as JSON lines."""
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")


def _marked(sentence: str) -> Row:
    """Return the text without its marks, and where e1 (the head) and e2 (the tail) stand in it."""
    text, edges = "", {}
    for part in _MARK.split(sentence):
        if _MARK.fullmatch(part):
            edges[part] = len(text)
        else:
            text += part
    stretches = {
        role: {"start": edges[f"<{mark}>"], "end": edges[f"</{mark}>"]}
        for role, mark in (("head", "e1"), ("tail", "e2"))
    }
    return {"text": text, **stretches}
