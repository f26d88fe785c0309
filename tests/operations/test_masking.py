"""mask: files of rows, and rows masked with the names that a bundle tags."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.operations.masked_serving import RequestMasker
from tunesmith.operations.masking import Masker, open_names
from tunesmith.operations.serving import _open
from tunesmith.session import Session
from tunesmith.stages.serve.worker import Answered
from tunesmith.store.bundles import read_bundle
from tunesmith.tasks import make_task


def write_rows(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_file_of_json_lines_is_masked_row_by_row(tmp_path):
    rows = write_rows(
        tmp_path / "rows.jsonl",
        {"text": "call 13800001234", "label": "a", "n": 1},
        {"text": "nothing", "label": "b", "n": 2.5},
    )
    result = tunesmith.mask(rows, out=tmp_path / "out.jsonl")
    assert (result.rows, result.changed, result.masked) == (2, 1, {"mobile": 1})
    assert read_rows(tmp_path / "out.jsonl") == [
        {"text": "call [MOBILE]", "label": "a", "n": 1},
        {"text": "nothing", "label": "b", "n": 2.5},
    ]


def test_file_of_csv_stays_csv_and_only_named_columns_are_masked(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('id,text\na@example.com,"x, b@example.com"\n', "utf-8")
    tunesmith.mask(path, out=tmp_path / "out.csv", only="text", mask_numbered=True)
    with (tmp_path / "out.csv").open(newline="") as stream:
        assert list(csv.DictReader(stream)) == [{"id": "a@example.com", "text": "x, [EMAIL_1]"}]


def test_masked_rows_of_entities_can_be_tuned_on(tmp_path):
    rows = write_rows(
        tmp_path / "rows.jsonl",
        {"text": "a@example.com from Ann", "entities": [{"start": 19, "end": 22, "type": "PER"}]},
    )
    tunesmith.mask(rows, out=tmp_path / "out.jsonl")
    (row,) = read_rows(tmp_path / "out.jsonl")
    example, problems = make_task("ner").read(row, place=None)
    assert not problems
    assert example.inputs.text[slice(example.gold[0].start, example.gold[0].end)] == "Ann"


def test_row_whose_entity_would_be_cut_through_is_refused_with_its_line(tmp_path):
    rows = write_rows(
        tmp_path / "rows.jsonl",
        {"text": "fine"},
        {"text": "ann@example.com", "entities": [{"start": 0, "end": 3, "type": "PER"}]},
    )
    with pytest.raises(DataError, match=r"rows\.jsonl:2.*\n?Hint: --mask resident_id"):
        tunesmith.mask(rows, out=tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    assert tunesmith.mask(rows, out=tmp_path / "out.jsonl", mask="phone").changed == 0


@pytest.mark.parametrize(
    ("name", "out", "must"),
    [
        ("rows.conll", "out.jsonl", "`data` must be JSONL, JSON, CSV or TSV"),
        ("rows.jsonl", "out.csv", "`out` must have the format of `data`"),
        ("rows.jsonl", "-", "`out` must have the format of `data`"),
    ],
)
def test_format_that_cannot_be_masked_or_kept_is_refused(tmp_path, name, out, must):
    (tmp_path / name).write_text('{"text": "x"}\n' if "json" in name else "x O\n", "utf-8")
    with pytest.raises(SpecError, match=must):
        tunesmith.mask(tmp_path / name, out=out if out == "-" else tmp_path / out)


def test_column_that_is_in_no_row_is_refused(tmp_path):
    rows = write_rows(tmp_path / "rows.jsonl", {"text": "a@example.com"})
    with pytest.raises(SpecError, match="`only` must name columns of the rows; `body` is none"):
        tunesmith.mask(rows, out=tmp_path / "out.jsonl", only="body")


@pytest.fixture(scope="module")
def tagger(tmp_path_factory, tiny_model):
    """Return a bundle that tags what follows `mr` as a person; that much a tiny model learns."""
    folder = tmp_path_factory.mktemp("tagger")
    rows = [
        {
            "text": f"mr {name} {rest}",
            "entities": [{"start": 3, "end": 3 + len(name), "type": "PER"}],
        }
        for name in ("good", "bad", "late", "lost", "broken", "card")
        for rest in ("is", "to", "and it", "please", "my")
    ]
    data = write_rows(folder / "rows.jsonl", *rows)
    fitted = tunesmith.fit(
        data,
        task="ner",
        model=tiny_model,
        method="probe",
        valid=data,
        test=data,
        out=folder / "run",
    )
    return fitted.bundle


def test_names_that_a_bundle_tags_are_masked_beside_the_forms(tagger, tmp_path):
    rows = write_rows(tmp_path / "rows.jsonl", {"text": "mr lost please a@example.com"})
    result = tunesmith.mask(rows, out=tmp_path / "out.jsonl", mask="email", mask_names=tagger)
    assert read_rows(tmp_path / "out.jsonl") == [{"text": "mr [NAME] please [EMAIL]"}]
    assert result.masked == {"email": 1, "name": 1}


def test_names_are_found_in_each_text_and_an_empty_one_has_none(tagger):
    with open_names(str(tagger), Session(device="cpu")) as names:
        masker = Masker((), names=names)
        done = masker.mask([{"text": "mr late my"}, {"text": ""}, {"text": "to my card"}])
    assert [row.row["text"] for row in done][:2] == ["mr [NAME] my", ""]


def test_bundle_without_people_is_refused(tmp_path, fitted_classifier):
    rows = write_rows(tmp_path / "rows.jsonl", {"text": "x"})
    with pytest.raises(SpecError, match="must be a bundle for ner with a label for people"):
        tunesmith.mask(rows, out=tmp_path / "out.jsonl", mask_names=fitted_classifier)


def test_worker_masks_names_before_its_model_reads_the_text(tagger, fitted_classifier):
    settings = {
        **dict.fromkeys(("engine", "precision"), "auto"),
        **{"threads": 1, "device": "cpu", "cache": 0, "mask": ["email"], "mask_numbered": True},
        **{"mask_names": str(tagger), "models": {"default": str(fitted_classifier)}},
        "versions": {str(fitted_classifier): read_bundle(fitted_classifier).fingerprint},
    }
    rows = [{"text": "mr late is a@example.com"}, {"text": "mr [NAME_1] is [EMAIL_1]"}]
    with contextlib.ExitStack() as stack:
        answerer = _open(stack, str(fitted_classifier), settings)
        orders = [{"id": 0, "rows": rows, "demands": {"all_scores": True}}]
        (reply,) = answerer.answer(orders)
        texts = [{"id": n, "rows": [row["text"]]} for n, row in enumerate(rows)]
        masked, plain = answerer.embed(texts)
    assert masked.vectors == plain.vectors
    first, second = reply.answers
    assert first.pop("masked") == {"email": 1, "name": 1}
    assert second.pop("masked") == {}
    assert first == second


@pytest.fixture(scope="module")
def fitted_classifier(tmp_path_factory, tiny_model, tiny_rows):
    folder = tmp_path_factory.mktemp("classifier")
    settings = {"task": "classification", "model": tiny_model, "method": "probe"}
    return tunesmith.fit(tiny_rows, out=folder / "run", **settings).bundle


def answering(kind: str, answer):
    """Return what masks requests for a task, and a reply made by `answer` from each masked row."""
    masking = RequestMasker(Masker(("email", "mobile")), make_task(kind))

    def reply(orders):
        for order in orders:
            yield Answered([answer(row) for row in order["rows"]])

    return lambda *rows: list(masking.around([{"id": 0, "rows": [row]} for row in rows], reply))


def test_conversation_is_masked_before_a_reply_to_it_is_written():
    masking = RequestMasker(Masker(("email", "mobile")), make_task("generation"))
    messages = [{"role": "user", "content": "I am a@example.com"}]
    order = {"id": 0, "rows": [{"messages": messages}], "demands": {}}
    (row,) = masking.masked(order)["rows"]
    assert row["messages"] == [{"role": "user", "content": "I am [EMAIL]"}]
    assert order["rows"][0]["messages"] == messages


def test_entities_of_a_masked_text_have_the_offsets_of_the_text_that_was_sent():
    def tag(row):
        start = row["text"].index("Ann")
        return {"entities": [{"start": start, "end": start + 3, "type": "PER", "text": "Ann"}]}

    sent = "a@example.com, 13800001234: Ann"
    (reply,) = answering("ner", tag)({"text": sent})
    (answer,) = reply.answers
    (entity,) = answer["entities"]
    assert sent[entity["start"] : entity["end"]] == "Ann"
    assert answer["masked"] == {"email": 1, "mobile": 1}


def test_answer_in_a_masked_context_has_the_offsets_of_the_one_that_was_sent():
    def find(row):
        start = row["context"].index("[EMAIL]")
        return {"answer": "[EMAIL]", "start": start, "end": start + 7}

    sent = "13800001234 or a@example.com"
    (reply,) = answering("qa", find)({"context": sent, "question": "where"})
    (answer,) = reply.answers
    assert sent[answer["start"] : answer["end"]] == "a@example.com"
    (none,) = answering("qa", lambda _: {"answer": "", "start": 0, "end": 0})(
        {"context": sent, "question": "where"}
    )
    assert (none.answers[0]["start"], none.answers[0]["end"]) == (0, 0)


def test_relation_whose_stretch_is_cut_through_is_refused_and_others_are_answered():
    def row(start: int, end: int) -> dict:
        stretch = {"start": start, "end": end}
        return {"text": "a@example.com is Ann", "head": stretch, "tail": {"start": 17, "end": 20}}

    ask = answering("relation", lambda row: {"label": row["text"][slice(*row["tail"].values())]})
    good, bad, again = ask(row(0, 13), row(0, 1), row(0, 13))
    assert isinstance(bad, DataError)
    assert good.answers == again.answers
    assert good.answers[0]["label"] == "Ann"
