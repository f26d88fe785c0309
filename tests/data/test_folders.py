"""Which files of a folder are taken for which split."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import DataError, NotFoundError
from tunesmith.data.folders import find_split_files


def found(tmp_path, *names):
    for name in names:
        (tmp_path / name).touch()
    files = find_split_files(tmp_path)
    return {split: [path.name for path in paths] for split, paths in files.items()}


@pytest.mark.parametrize("name", ["valid.csv", "validation.jsonl", "dev.char.bmes", "VAL.txt"])
def test_valid_data_is_found_under_each_usual_name(tmp_path, name):
    assert found(tmp_path, "train.csv", name) == {"train": ["train.csv"], "valid": [name]}


def test_shards_are_found_in_order(tmp_path):
    shards = [f"train-0000{n}-of-00003.parquet" for n in range(3)]
    test = "test-00000-of-00001.parquet"
    assert found(tmp_path, *reversed(shards), test) == {"train": shards, "test": [test]}


def test_other_files_are_left_alone(tmp_path):
    others = ["README.md", "LICENSE", "train.py", "labels.json", ".train.csv", "training.csv"]
    assert found(tmp_path, "train.tsv.gz", *others) == {"train": ["train.tsv.gz"]}


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv", "train.jsonl"),
        ("train.csv", "dev.csv", "valid.csv"),
        ("train.csv", "train-00000-of-00001.csv"),
        ("train-00000-of-00001.csv", "train-00000-of-00002.csv", "train-00001-of-00002.csv"),
    ],
)
def test_two_claims_to_one_split_are_refused(tmp_path, names):
    with pytest.raises(DataError, match="one file, or the shards of one"):
        found(tmp_path, *names)


def test_missing_shard_is_named(tmp_path):
    with pytest.raises(DataError, match="none numbered 00001"):
        found(tmp_path, "train-00000-of-00003.csv", "train-00002-of-00003.csv")


def test_folder_without_train_suggests_what_could_be_it(tmp_path):
    with pytest.raises(NotFoundError) as error:
        found(tmp_path, "wnut17train.conll", "emerging.dev.conll")
    assert error.value.hint == f"ln -s wnut17train.conll {tmp_path}/train.conll"


def test_folder_with_one_file_suggests_the_file(tmp_path):
    with pytest.raises(NotFoundError) as error:
        found(tmp_path, "rows.csv", "README.md")
    assert error.value.hint == f"{tmp_path}/rows.csv"


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="an empty folder"):
        found(tmp_path)
