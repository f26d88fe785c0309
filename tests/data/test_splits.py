"""Splitting: nothing leaks, every class stays trainable, and the order of rows changes nothing."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.examples import Example, Place, TextInput
from tunesmith.data.examples import read_examples
from tunesmith.data.fingerprints import fingerprint_examples, text_key
from tunesmith.data.splits import load_splits, sample_examples, split_examples
from tunesmith.tasks import make_task

TASK = make_task("classification")
MULTI = make_task("multilabel")


def example(text, gold, *, group=None, line=1):
    return Example(f"{text}/{gold}", TextInput(text), gold, Place("a.csv", line), group)


def distinct(labels):
    return [example(f"row {n}", label, line=n) for n, label in enumerate(labels)]


labels = st.lists(st.sampled_from("aaaabbcde"), min_size=1, max_size=120)
ratios = st.floats(0.0, 0.99)
seeds = st.integers(0, 5)
repeated_rows = st.lists(
    st.tuples(
        st.sampled_from(
            ["Hi", "hi ", "HI", "yo", "straße", "STRASSE", "a\u2028b", "a b", *"123456"]
        ),
        st.sampled_from("abc"),
        st.sampled_from([None, None, None, "g1", "g2", "g3"]),
    ),
    min_size=1,
    max_size=60,
)


@given(labels, ratios, seeds)
def test_split_of_distinct_rows_holds_out_each_class_within_one_row(labels, ratio, seed):
    examples = distinct(labels)
    rest, held = split_examples(examples, TASK, ratio=ratio, seed=seed)
    assert sorted(rest + held, key=lambda e: e.place.line) == examples
    sizes, out = Counter(labels), Counter(e.gold for e in held)
    for label, size in sizes.items():
        assert abs(out[label] - ratio * size) <= 1 + 1e-9
        assert out[label] < size


@given(repeated_rows, ratios, seeds)
def test_split_keeps_equal_texts_and_groups_on_one_side(rows, ratio, seed):
    examples = [example(*row[:2], group=row[2], line=n) for n, row in enumerate(rows)]
    rest, held = split_examples(examples, TASK, ratio=ratio, seed=seed)
    assert sorted(rest + held, key=lambda e: e.place.line) == examples
    assert {text_key(e) for e in rest}.isdisjoint(text_key(e) for e in held)
    assert ({e.group for e in rest} - {None}).isdisjoint(e.group for e in held)
    assert {e.gold for e in rest} == {e.gold for e in examples}


@given(repeated_rows, ratios, seeds, st.randoms())
def test_split_of_shuffled_rows_holds_out_the_same_rows(rows, ratio, seed, shuffler):
    examples = [example(*row[:2], group=row[2], line=n) for n, row in enumerate(rows)]
    _, held = split_examples(examples, TASK, ratio=ratio, seed=seed)
    shuffled = shuffler.sample(examples, len(examples))
    _, held_of_shuffled = split_examples(shuffled, TASK, ratio=ratio, seed=seed)
    assert sorted(held_of_shuffled, key=lambda e: e.place.line) == held


@given(
    st.lists(st.sets(st.sampled_from("abcde")), min_size=1, max_size=60),
    st.floats(0.05, 0.95),
    seeds,
)
def test_split_of_rows_with_many_labels_keeps_every_label_trainable(sets, ratio, seed):
    examples = [example(f"row {n}", tuple(sorted(s))) for n, s in enumerate(sets)]
    rest, _ = split_examples(examples, MULTI, ratio=ratio, seed=seed)
    kept = {label for e in rest for label in e.gold}
    assert kept == {label for e in examples for label in e.gold}


@given(labels, st.floats(0.05, 0.5), seeds)
@settings(max_examples=50)
def test_split_after_one_more_row_moves_few_others(labels, ratio, seed):
    examples = distinct(labels)
    more = [*examples, example("one more", "a", line=-1)]
    before = {e.place.line for e in split_examples(examples, TASK, ratio=ratio, seed=seed)[1]}
    after = {e.place.line for e in split_examples(more, TASK, ratio=ratio, seed=seed)[1]}
    assert len(before ^ after - {-1}) <= 4


def test_split_keeps_file_order_on_both_sides():
    rest, held = split_examples(distinct("ab" * 50), TASK, ratio=0.3)
    for side in (rest, held):
        assert [e.place.line for e in side] == sorted(e.place.line for e in side)


def test_split_with_another_seed_holds_out_other_rows():
    examples = distinct("ab" * 50)
    first, second = (split_examples(examples, TASK, ratio=0.2, seed=seed)[1] for seed in (0, 1))
    assert first != second


def test_split_of_many_small_classes_keeps_the_total():
    examples = distinct([f"c{n % 77}" for n in range(77 * 4)])
    _, held = split_examples(examples, TASK, ratio=0.1)
    assert len(held) == 31


def test_split_of_pairs_keeps_the_total():
    examples = [example(f"row {n // 2}", f"c{n // 2 % 20}", line=n) for n in range(400)]
    _, held = split_examples(examples, TASK, ratio=0.1)
    assert 38 <= len(held) <= 42


def test_split_of_large_groups_holds_out_one_where_none_fits():
    examples = [example(f"row {n}", "a", group=f"g{n // 20}", line=n) for n in range(60)]
    _, held = split_examples(examples, TASK, ratio=0.1)
    assert len(held) == 20


def test_split_of_rows_without_any_class_follows_the_ratio():
    _, held = split_examples([example(f"row {n}", None) for n in range(50)], TASK, ratio=0.1)
    assert len(held) == 5


@pytest.mark.parametrize("rows", [[], ["a"], ["a", "b", "c"]])
def test_split_without_a_row_to_spare_holds_out_none(rows):
    rest, held = split_examples(distinct(rows), TASK, ratio=0.5)
    assert (len(rest), held) == (len(rows), [])


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_split_by_an_impossible_ratio_is_refused(ratio):
    with pytest.raises(SpecError, match="at least 0 and below 1"):
        split_examples(distinct("ab"), TASK, ratio=ratio)


@given(repeated_rows, st.integers(0, 70), seeds, st.randoms())
def test_sample_has_the_size_asked_for_and_ignores_order(rows, count, seed, shuffler):
    examples = [example(*row[:2], line=n) for n, row in enumerate(rows)]
    sample = sample_examples(examples, count, seed=seed)
    assert len(sample) == min(count, len(examples))
    assert [e.place.line for e in sample] == sorted(e.place.line for e in sample)
    shuffled = shuffler.sample(examples, len(examples))
    assert Counter(e.id for e in sample_examples(shuffled, count, seed=seed)) == Counter(
        e.id for e in sample
    )


def test_sample_below_zero_is_refused():
    with pytest.raises(SpecError, match="at least 0 rows"):
        sample_examples([], -1)


def test_fingerprint_is_equal_across_formats_and_orders(write):
    lines = [("good", "pos"), ("坏", "neg"), ("so, so", "mid")]
    csv = write("a.csv", "label,text\n" + "".join(f'{b},"{a}"\n' for a, b in lines))
    rows = "".join(f'{{"text": "{a}", "label": "{b}"}}\n' for a, b in reversed(lines))
    prints = {fingerprint_examples(read_examples(p, TASK)) for p in (csv, write("a.jsonl", rows))}
    assert len(prints) == 1
    assert len(prints.pop()) == 64


@pytest.mark.parametrize("row", ["good,neg", "goods,pos", "good,pos\ngood,pos"])
def test_fingerprint_of_other_data_differs(write, row):
    one = read_examples(write("a.csv", "text,label\ngood,pos\n"), TASK)
    other = read_examples(write("b.csv", f"text,label\n{row}\n"), TASK)
    assert fingerprint_examples(one) != fingerprint_examples(other)


def csv_of(count, *, start=0):
    rows = random.Random(start).sample(range(start, start + count), count)
    return "text,label\n" + "".join(f"row {n},{'ab'[n % 2]}\n" for n in rows)


def test_load_of_one_file_splits_valid_off(write):
    splits = load_splits(write("a.csv", csv_of(100)), TASK)
    assert [len(s) for s in (splits.train, splits.valid, splits.test)] == [90, 10, 0]


def test_load_with_a_test_ratio_takes_both_as_shares_of_all_rows(write):
    path = write("a.csv", csv_of(100))
    splits = load_splits(path, TASK, valid_ratio=0.1, test_ratio=0.2)
    assert [len(s) for s in (splits.train, splits.valid, splits.test)] == [70, 10, 20]
    ids = [{e.id for e in s} for s in (splits.train, splits.valid, splits.test)]
    assert len(set.union(*ids)) == 100
    alone = load_splits(path, TASK, valid_ratio=0.0, test_ratio=0.2)
    assert alone.test == splits.test


def test_load_of_a_folder_reads_its_three_files(write, tmp_path):
    for name, count in (("train.csv", 20), ("dev.csv", 4), ("test.csv", 6), ("README.md", 1)):
        write(f"d/{name}", csv_of(count, start=count * 100))
    splits = load_splits(tmp_path / "d", TASK)
    assert [len(s) for s in (splits.train, splits.valid, splits.test)] == [20, 4, 6]


def test_load_with_files_named_takes_them_instead_of_the_folders(write, tmp_path):
    write("d/train.csv", csv_of(20))
    write("d/test.csv", csv_of(6, start=100))
    other = write("other.csv", csv_of(8, start=200))
    splits = load_splits(tmp_path / "d", TASK, valid=other, test=str(other))
    assert [len(s) for s in (splits.train, splits.valid, splits.test)] == [20, 8, 8]


def test_load_reports_the_problems_of_all_files(write, tmp_path):
    write("d/train.csv", "text,label\na\n")
    write("d/valid.jsonl", "{\n")
    write("d/test.csv", "text,category\na,b\nc,d\n")
    with pytest.raises(DataError) as error:
        load_splits(tmp_path / "d", TASK)
    names = {problem.where.split("/")[-1] for problem in error.value.problems}
    assert names == {"train.csv:2", "valid.jsonl:1", "test.csv"}


def test_load_without_rows_to_spare_asks_for_a_file(write):
    path = write("a.csv", "text,label\na,x\nb,y\n")
    with pytest.raises(DataError) as error:
        load_splits(path, TASK)
    assert error.value.hint == "--valid FILE"
    assert load_splits(path, TASK, valid_ratio=0).valid == ()


def test_load_with_impossible_ratios_names_each(write):
    path = write("a.csv", csv_of(10))
    with pytest.raises(SpecError) as error:
        load_splits(path, TASK, valid_ratio=1.5, test_ratio=-1)
    assert len(error.value.problems) == 2
    with pytest.raises(SpecError, match="must leave rows to train on"):
        load_splits(path, TASK, valid_ratio=0.5, test_ratio=0.5)
