"""The readers on real files, counted. Skipped where the data is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tunesmith.data.examples import read_examples
from tunesmith.data.splits import load_splits
from tunesmith.tasks import make_task

DATA = Path(os.environ.get("TUNESMITH_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}")


@pytest.mark.parametrize(
    ("name", "kind", "columns", "count"),
    [
        ("banking77/train.csv", "classification", {"label": "category"}, 10_003),
        ("banking77/test.csv", "classification", {"label": "category"}, 3_080),
        ("waimai_10k/waimai_10k.csv", "classification", {"text": "review"}, 11_987),
        ("cold/train.csv", "classification", {"text": "TEXT"}, 25_726),
        ("wnut17/wnut17train.conll", "ner", {}, 3_394),
        ("wnut17/emerging.dev.conll", "ner", {}, 1_009),
        ("wnut17/emerging.test.annotated", "ner", {}, 1_287),
        ("resume_ner/train.char.bmes", "ner", {}, 3_821),
    ],
)
def test_real_file_has_the_published_number_of_rows(name, kind, columns, count):
    assert len(read_examples(DATA / name, make_task(kind, columns=columns))) == count


def test_real_folder_is_read_as_three_splits():
    splits = load_splits(DATA / "resume_ner", make_task("ner"))
    assert [len(s) for s in (splits.train, splits.valid, splits.test)] == [3_821, 463, 477]


def test_real_file_split_keeps_all_77_classes():
    task = make_task("classification", columns={"label": "category"})
    splits = load_splits(DATA / "banking77" / "train.csv", task)
    assert (len(splits.train), len(splits.valid)) == (9_003, 1_000)
    assert len({e.gold for e in splits.train}) == 77
    assert len({e.gold for e in splits.valid}) == 77
