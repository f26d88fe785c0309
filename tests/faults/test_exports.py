"""Exports that cannot be trusted, cannot be loaded or cannot be made."""

from __future__ import annotations

import builtins
import importlib.util
import json
import shutil
from pathlib import Path

import pytest

import tunesmith
from tunesmith.stages.export import parity
from tunesmith.store.bundles import read_bundle, revise_bundle


@pytest.fixture(scope="session")
def exported_once(tuned, tmp_path_factory) -> Path:
    """Return a bundle with both exports. Never change it."""
    folder = tmp_path_factory.mktemp("exported")
    shutil.copytree(tuned / "bundle", folder / "bundle")
    for precision in ("fp32", "int8"):
        tunesmith.export(folder / "bundle", precision=precision)
    return folder / "bundle"


@pytest.fixture
def exported(exported_once, here) -> Path:
    """Return a copy of it, `bundle` here."""
    return Path(shutil.copytree(exported_once, here / "bundle"))


def file_of(bundle: Path, precision: str) -> str:
    return json.loads((bundle / "bundle.json").read_text("utf-8"))["exports"][precision]["file"]


def test_exported_bundle_is_whole_and_answers_alike_in_every_form(exported, type_in):
    read_bundle(exported)
    texts = ("my order is good", "the card is bad")
    replies = {}
    for engine, precision in (("torch", "fp32"), ("onnx", "fp32"), ("onnx", "int8")):
        words = ("--engine", engine, "--precision", precision, "--json")
        typed = type_in("predict", "bundle", *texts, *words)
        assert typed.status == 0, typed
        fields = json.loads(typed.out)
        assert fields["engine"] == f"{engine} {precision}"
        replies[engine, precision] = [row["label"] for row in fields["predictions"]]
    assert len({tuple(labels) for labels in replies.values()}) == 1


@pytest.mark.usefixtures("exported")
def test_auto_takes_int8_and_says_why(type_in):
    typed = type_in("predict", "bundle", "my order", "--json")
    assert json.loads(typed.out)["engine"] == "onnx int8"
    assert "onnx int8: the bundle holds that export" in typed.err


@pytest.mark.parametrize("engine", ["auto", "onnx", "torch"])
def test_export_that_was_swapped_is_refused_by_name(exported, refuse, engine):
    names = {precision: file_of(exported, precision) for precision in ("fp32", "int8")}
    shutil.copy(exported / names["fp32"], exported / names["int8"])
    says = (f"`{names['int8']}` must be as it was written; its sha256 differs",)
    refuse("predict", "bundle", "my order", "--engine", engine, status=4, says=says)


def make_older(bundle: Path) -> None:
    """Give the bundle other weights, recorded as they should be, and leave the exports."""
    name = "model/model.safetensors"
    content = bytearray((bundle / name).read_bytes())
    content[-1] ^= 1
    revise_bundle(read_bundle(bundle), {}, add={name: bytes(content)})


def test_export_older_than_its_weights_is_refused_where_it_was_asked_for(exported, refuse):
    make_older(exported)
    for words in (("--engine", "onnx"), ("--precision", "int8")):
        refuse(
            *("predict", "bundle", "my order", *words),
            status=4,
            says=("it is older than `model/model.safetensors`",),
            hint="tunesmith export bundle --to onnx",
        )


def test_export_older_than_its_weights_is_passed_over_in_words(exported, type_in):
    make_older(exported)
    typed = type_in("predict", "bundle", "my order", "--json")
    assert json.loads(typed.out)["engine"] == "torch fp32"
    assert "it is older than `model/model.safetensors`" in typed.err


def test_export_again_takes_the_place_of_one_that_is_too_old(exported, type_in):
    before = {path.name for path in (exported / "onnx").iterdir()}
    make_older(exported)
    assert type_in("export", "bundle", "--to", "onnx").status == 0
    typed = type_in("predict", "bundle", "my order", "--engine", "onnx", "--json")
    assert json.loads(typed.out)["engine"] == "onnx fp32"
    after = {path.name for path in (exported / "onnx").iterdir()}
    assert len(after) == 2
    assert len(before & after) == 1
    read_bundle(exported)


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x0a" * 500])
def test_export_that_hashes_right_and_does_not_load_is_refused(exported, refuse, content):
    revise_bundle(read_bundle(exported), {}, add={file_of(exported, "int8"): content})
    name = Path(file_of(exported, "int8")).name
    says = (f"`{name}` must be a graph that ONNX Runtime can load",)
    refuse("predict", "bundle", "my order", status=4, says=says, hint="tunesmith export")


@pytest.mark.parametrize(
    "exports", [[], {"int8": {}}, {"int8": 3}, {"int8": {"file": "onnx/none.onnx"}}]
)
def test_manifest_with_another_section_of_exports_is_refused(exported, refuse, exports):
    revise_bundle(read_bundle(exported), {"exports": exports}, add={})
    says = ("`exports` of `bundle.json` must name each export's file and origin",)
    refuse("predict", "bundle", "my order", status=4, says=says)


@pytest.fixture
def without_onnx(monkeypatch) -> None:
    """Let the packages of the extra be missing."""
    really_import, really_find = builtins.__import__, importlib.util.find_spec

    def refuse_import(name, *rest):
        if name.partition(".")[0] in {"onnx", "onnxruntime"}:
            raise ImportError(name)
        return really_import(name, *rest)

    def find(name, *rest):
        return None if name == "onnxruntime" else really_find(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse_import)
    monkeypatch.setattr(importlib.util, "find_spec", find)


@pytest.mark.usefixtures("without_onnx", "exported")
@pytest.mark.parametrize(
    "words",
    [
        ("export", "bundle", "--to", "onnx"),
        ("predict", "bundle", "my order", "--engine", "onnx"),
        ("predict", "bundle", "my order", "--precision", "int8"),
    ],
)
def test_missing_extra_is_named_with_the_command(refuse, words):
    hint = "pip install 'tunesmith[onnx]'"
    refuse(*words, status=5, says=("which",), hint=hint)


@pytest.mark.usefixtures("without_onnx", "exported")
def test_missing_extra_is_passed_over_in_words_where_torch_answers_too(type_in):
    typed = type_in("predict", "bundle", "my order", "--json")
    assert json.loads(typed.out)["engine"] == "torch fp32"
    assert "onnxruntime is not installed" in typed.err


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--engine", "torch", "--precision", "int8"), 2, "`precision` must be fp32 or bf16"),
        (("--engine", "onnx", "--precision", "bf16"), 2, "`precision` must be fp32 or int8"),
        (("--engine", "onnx", "--device", "cuda"), 2, "`device` must be cpu"),
        (("--engine", "onnx"), 3, "the bundle must hold an export"),
        (("--precision", "int8"), 3, "the bundle must hold an int8 export"),
        (("--threads", "0"), 2, "`threads`"),
    ],
)
@pytest.mark.usefixtures("bundle")
def test_engine_that_cannot_be_is_refused(refuse, words, status, says):
    refuse("predict", "bundle", "my order", *words, status=status, says=(says,))


@pytest.mark.usefixtures("bundle")
def test_bf16_on_a_processor_without_it_falls_back_and_says_so(type_in, monkeypatch):
    import torch

    for feature in ("amx_tile", "avx512_bf16"):
        monkeypatch.setattr(torch.cpu, f"_is_{feature}_supported", lambda: False)
    typed = type_in("predict", "bundle", "my order", "--precision", "bf16", "--json")
    assert json.loads(typed.out)["engine"] == "torch fp32"
    assert "answering in fp32, not bf16" in typed.err


@pytest.mark.usefixtures("exported")
def test_bf16_is_computed_by_torch_and_gives_the_same_labels(type_in, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    texts = ("my order is good", "the card is bad")
    replies = [
        json.loads(type_in("predict", "bundle", *texts, "--precision", kind, "--json").out)
        for kind in ("bf16", "fp32")
    ]
    assert [reply["engine"] for reply in replies] == ["torch bf16", "onnx fp32"]
    bf16, fp32 = ([row["label"] for row in reply["predictions"]] for reply in replies)
    assert bf16 == fp32


@pytest.mark.usefixtures("exported")
def test_inputs_that_come_again_are_counted_and_answered_alike(type_in):
    words = ("predict", "bundle", *["my order is good"] * 3, "the card is bad", "--json")
    kept, fresh = (json.loads(type_in(*words, *more).out) for more in ((), ("--cache", "0")))
    assert (kept["cache_hits"], fresh["cache_hits"]) == (2, 0)
    assert kept["predictions"] == fresh["predictions"]


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize(
    ("precision", "constant", "value", "says"),
    [
        ("fp32", "LARGEST_DIFFERENCE", 0.0, "the largest difference is"),
        ("int8", "SMALLEST_AGREEMENT", 1.01, "100.00% are equal"),
    ],
)
def test_export_beyond_the_gate_is_refused_and_writes_nothing(
    refuse, monkeypatch, precision, constant, value, says
):
    monkeypatch.setattr(parity, constant, value)
    refuse("export", "bundle", "--precision", precision, status=9, says=(says,))


@pytest.mark.usefixtures("bundle")
def test_export_without_canary_rows_is_refused(bundle, refuse):
    revise_bundle(read_bundle(bundle), {}, add={"canary.jsonl": b""})
    refuse("export", "bundle", status=9, says=("the canary rows must hold a decision",))


def test_export_onto_a_full_disk_leaves_the_bundle_as_it_was(bundle, processes, snapshot):
    before = snapshot(bundle)
    ended = processes("export", "bundle", largest_file_bytes=20_000).wait()
    assert ended.status == 6, ended
    assert {name: digest for name, digest in snapshot(bundle).items() if name != "onnx"} == before
    read_bundle(bundle)


def test_export_reads_canary_rows_without_gold_answers(bundle, type_in):
    path = bundle / "canary.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert all(row.pop("gold")["label"] in {"good", "bad"} for row in rows)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    revise_bundle(read_bundle(bundle), {}, add={"canary.jsonl": content})
    typed = type_in("export", "bundle", "--json")
    assert typed.status == 0, typed
    assert json.loads(typed.out)["parity"]["score"] is None


def test_export_stores_its_parity_and_score(bundle, type_in, rows):
    typed = type_in("export", "bundle", "--precision", "int8", "--data", "rows.csv", "--json")
    assert typed.status == 0, typed
    stored = json.loads((bundle / "bundle.json").read_text("utf-8"))["exports"]["int8"]
    assert stored["parity"] == json.loads(typed.out)["parity"]
    assert stored["parity"]["agreement"] >= 0.99
    score = stored["parity"]["score"]
    assert (score["rows"], score["data"]) == (len(rows) - 1, "rows.csv")
    assert score["difference"] == score["export"] - score["source"]
    assert stored["source"].keys() == {
        f"model/{name}"
        for name in (
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        )
    }
