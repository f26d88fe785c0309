"""JSON files that are objects of lists: a list by its key, and files that hold their own splits."""

from __future__ import annotations

import gzip
import json

import pytest

from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.data.examples import read_examples
from tunesmith.data.folders import find_splits
from tunesmith.data.formats import json_lists, read_rows, scan_rows
from tunesmith.data.formats.json_window import Window, skip_value
from tunesmith.data.splits import load_splits
from tunesmith.tasks import make_task

TRAIN = [["is it late", "order"], ['a "[quoted]" text \\', "card"], ["卡丢了 }", "card"]]
FILE = {
    "oos_val": [["who won", "oos"]],
    "version": "1, [0]",
    "val": [["lost it", "card"]],
    "sizes": {"train": 3, "deep": [[{"a": ["]"]}]]},
    "train": TRAIN,
    "empty": [],
    "number": -1.5e3,
    "none": None,
    "test": [{"text": "where is it", "label": "order", "id": "t1"}, ["late", "order"]],
}


def values(source, **options):
    return [row.values for row in read_rows(source, **options)]


def pairs(rows):
    return [{"text": text, "label": label} for text, label in rows]


@pytest.fixture
def path(write):
    """Return a file like CLINC150's: lists of pairs and of objects under keys, and other values."""
    return write("data full.json", json.dumps(FILE, ensure_ascii=False, indent=4))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("piece_bytes", [1, 7, 4096])
def test_list_under_a_key_cut_anywhere_gives_pairs_and_objects(
    write, monkeypatch, indent, piece_bytes
):
    monkeypatch.setattr("tunesmith.data.lines.PIECE_BYTES", piece_bytes)
    path = write("a.json", json.dumps(FILE, indent=indent))
    assert values(f"{path}#train") == pairs(TRAIN)
    assert values(f"{path}#test") == [FILE["test"][0], *pairs(FILE["test"][1:])]


def test_rows_of_a_list_stand_on_the_line_of_their_text(path):
    lines = path.read_text("utf-8").splitlines()
    scan = scan_rows(f"{path}#train")
    assert scan.name == str(path)
    assert [json.loads(lines[row.line - 1].strip(" ,")) for row in scan.items] == [
        text for text, _ in TRAIN
    ]


def test_list_of_a_zipped_file_is_read(write):
    path = write("a.json.gz", gzip.compress(json.dumps(FILE).encode()))
    assert values(f"{path}#val") == pairs(FILE["val"])
    assert set(find_splits(path)) == {"train", "valid", "test"}


def test_file_of_the_whole_name_comes_before_a_key(write, path):
    whole = write("data full.json#train", '{"text": "a"}\n')
    assert values(whole, kind="jsonl") == [{"text": "a"}]
    held = load_splits(path, make_task("classification"))
    assert len(held.train) == len(TRAIN)


def test_key_may_hold_a_number_sign_and_so_may_a_folder(write):
    path = write("a#b/c.json", '{"x#y": [{"text": "a"}], "a b": [{"text": "b"}]}')
    assert values(f"{path}#a b") == [{"text": "b"}]
    assert values(f"{path}#x#y") == [{"text": "a"}]


def test_missing_key_is_told_the_keys_there_are_and_the_nearest(path, refusal):
    rows, error = refusal(f"{path}#tset")
    assert rows == []
    assert error.problems[0].must == f"`{path}` must have a list under the key `tset`"
    assert error.problems[0].found == "lists under `oos_val`, `val`, `train`, `empty`, `test`"
    assert error.hint == f"'{path}#test'"


def test_missing_file_with_a_key_suggests_the_file_with_the_key(path):
    with pytest.raises(NotFoundError) as caught:
        values(f"{path.parent}/data_full.json#test")
    assert caught.value.hint == f"'{path}#test'"


@pytest.mark.parametrize("key", ["version", "sizes", "number", "none"])
def test_key_of_another_value_is_refused_on_its_line(path, refusal, key):
    _, error = refusal(f"{path}#{key}")
    (problem,) = error.problems
    assert problem.must == f"`{path}#{key}` must be a list of rows"
    line = int(problem.where.rpartition(":")[2])
    assert f'"{key}"' in path.read_text("utf-8").splitlines()[line - 1]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ('["a"]', "a list of 1"),
        ('["a", "b", "c"]', "a list of 3"),
        ('["a", 1]', "not both texts"),
        ('[["a"], "b"]', "not both texts"),
        ('"a"', "a text"),
        ("null", "null"),
        ('["a", NaN]', "NaN"),
        (r'["\ud83d", "b"]', r"\ud83d without its partner"),
        ("[" * 150 + "]" * 150, "a list of 1"),
    ],
)
def test_row_of_another_shape_is_reported_and_the_next_is_read(write, refusal, row, found):
    path = write("a.json", f'{{"rows": [["a", "x"],\n{row},\n["b", "y"]]}}')
    rows, error = refusal(f"{path}#rows")
    assert rows == pairs([["a", "x"], ["b", "y"]])
    (problem,) = error.problems
    assert (
        problem.must == 'a row must be one JSON object, or a list of two texts: ["TEXT", "LABEL"]'
    )
    assert problem.where == f"{path}:2"
    assert found in problem.found
    assert error.hint == f"sed -n '2p' {path}"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"rows": []}', "an empty list"),
        ("", "the end of the file"),
        ("text,label\na,b\n", "`text,label"),
        ('[{"text": "a"}]', '`[{"text"'),
        ('{"rows": [["a", "b"]', "the end of the file"),
        ('{"rows": [["a", "b"]]', "the end of the file"),
        ('{"rows": [["a", "b"]], "more": [["a"', "the end of the file"),
        ('{"rows": [["a", "b"]], "more": "never closed', "the end of the file"),
        ('{"rows": [["a", "b"]], "more": "\\', "the end of the file"),
        ('{"rows": [["a", "b"]], "more": 1', "the end of the file"),
        ('{"more": }', "`}`"),
        ('{"more": [1}], "rows": []}', "`}` where `]` is due"),
        ('{"rows": [["a", "b"]]} {', "`{`"),
        ('{"rows": [["a", "b"]] "more": 1}', '`"more": 1}`'),
        ('{"rows": [["a", "b"]], rows: 1}', "`rows: 1}`"),
        ('{"rows": [["a", "b"]], "more" 1}', "`1}`"),
        ('{"rows": [["a", "b"]], "rows": [["c", "d"]]}', "a second one"),
        ('{"rows": [["a", "b"]], "' + "k" * 5000 + '": 1}', '`"kkkk'),
        (r'{"rows": [["a", "b"]], "\ud83d": 1}', r'`"\ud83d"'),
        ('{"deep": ' + "[" * 100_000, "deeper nesting than 100 levels"),
        ('{"rows": ' + "[" * 100_000, "deeper nesting than 100 levels"),
        ('{"deep": ' + '{"a":' * 100_000, "deeper nesting than 100 levels"),
    ],
)
def test_broken_object_is_refused(write, refusal, content, found):
    _, error = refusal(f"{write('a.json', content)}#rows")
    assert found in error.problems[-1].found


def test_value_of_many_texts_and_escapes_is_stepped_over():
    texts = ["\\n" * 700, '"', "\\", "[{", ""] * 20
    text = json.dumps({"a": [texts, {"b": texts}]}) + ","
    for size in (1, 3, 1000, len(text)):
        window = Window(iter([text[at : at + size] for at in range(0, len(text), size)]))
        assert skip_value(window, name="x") is None
        assert window.next_character() == ","


def test_format_beside_a_key_is_refused(path):
    with pytest.raises(SpecError, match="that of a JSON file"):
        scan_rows(f"{path}#train", kind="csv")


def test_file_of_splits_is_read_like_a_folder_of_them(path):
    splits = load_splits(path, make_task("classification"), test_ratio=0.5)
    assert [(row.inputs.text, row.gold) for row in splits.train] == [tuple(row) for row in TRAIN]
    assert [row.inputs.text for row in splits.valid] == ["lost it"]
    assert [row.inputs.text for row in splits.test] == ["where is it", "late"]
    assert {row.place.file for row in splits.train} == {str(path)}


def test_file_of_splits_on_one_line_is_read_too(write):
    path = write("a.json", json.dumps(FILE))
    assert len(load_splits(path, make_task("classification")).train) == len(TRAIN)


def test_file_without_valid_and_test_holds_rows_out(write):
    rows = [[f"text {n}", "ab"[n % 2]] for n in range(40)]
    splits = load_splits(write("a.json", json.dumps({"Train": rows})), make_task("classification"))
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (36, 4, 0)


def test_list_for_one_split_takes_the_place_of_the_files(path):
    splits = load_splits(path, make_task("classification"), test=f"{path}#oos_val")
    assert [row.gold for row in splits.test] == ["oos"]


def test_two_keys_for_one_split_are_refused(write):
    path = write("a.json", '{"train": [["a", "b"]], "val": [], "dev": []}')
    with pytest.raises(DataError, match="one list must be the valid data.*`val`, `dev`") as caught:
        find_splits(path)
    assert caught.value.hint == f"'{path}#train'"
    assert values(f"{path}#train") == pairs([["a", "b"]])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{"text": "a", "label": "b"}\n'),
        ("a.json", '[{"train": [["a", "b"]]}]'),
        ("a.json", '{"test": [["a", "b"]]}'),
        ("a.json", '{"train": {"a": 1}}'),
        ("a.json", '{"data": [{"paragraphs": []}], "train": [["a", "b"]]}'),
        ("a.jsonl", '{"train": [["a", "b"]]}'),
        ("a.json", ""),
        ("a.json", '{"train'),
    ],
)
def test_other_files_are_no_splits(write, name, content):
    assert find_splits(write(name, content)) is None


@pytest.mark.parametrize("indent", [None, 4])
def test_file_without_train_is_told_the_lists_it_has(write, indent):
    path = write("a.json", json.dumps({"info": ["x"], **FILE, "train": 0}, indent=indent))
    with pytest.raises(DataError) as caught:
        read_examples(path, make_task("classification"))
    assert caught.value.problems[0].found == "lists under `oos_val`, `val`, `test`"
    assert caught.value.hint == f"'{path}#oos_val'"


def test_pretty_objects_one_after_the_other_are_told_how_to_become_lines(write, refusal):
    rows = "\n".join(json.dumps({"tokens": [["a"]]}, indent=1) for _ in range(2))
    path = write("a.json", rows)
    _, error = refusal(path)
    assert error.hint == f"jq -c . {path} > {path}l"


def test_keys_beyond_what_is_told_can_still_be_read(write, monkeypatch):
    monkeypatch.setattr(json_lists, "MAX_KEYS", 3)
    path = write("a.json", json.dumps({f"k{n}": [["a", "b"]] for n in range(20)}))
    assert json_lists.find_lists(path) == ["k0", "k1", "k2"]
    assert values(f"{path}#k19") == pairs([["a", "b"]])


def test_real_clinc150_is_read_as_it_is(real_data):
    path = real_data / "clinc150" / "data_full.json"
    if not path.exists():
        pytest.skip("no clinc150/data_full.json")
    splits = load_splits(path, make_task("classification"))
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (15_000, 3_000, 4_500)
    assert len({row.gold for row in splits.train}) == 150
    assert len(read_examples(f"{path}#oos_test", make_task("classification"))) == 1_000
