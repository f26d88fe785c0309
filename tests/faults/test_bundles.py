"""Bundles whose bytes are not the ones that were written, and folders that are no bundles."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

FILES = (
    "README.md",
    "bad_cases.jsonl",
    "bundle.json",
    "canary.jsonl",
    "confusion.csv",
    "model/config.json",
    "model/model.safetensors",
    "model/tokenizer.json",
    "model/tokenizer_config.json",
    "report.html",
    "report.json",
)
AS_WRITTEN = "must be as it was written"


def change_byte(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_bundle_holds_exactly_the_files_that_are_tampered_with_here(bundle):
    files = [path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()]
    assert sorted(files) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_predict_refuses_a_bundle_with_one_byte_changed(bundle, refuse, name):
    path = bundle / name
    if not path.stat().st_size:
        path.write_text("x", "utf-8")
    else:
        change_byte(path, path.stat().st_size // 2)
    refuse(
        *("predict", "bundle", "my order"),
        status=4,
        says=(AS_WRITTEN, "(bundle)"),
        hint="run `tunesmith fit` again",
    )


def test_predict_refuses_a_change_of_any_byte_of_the_manifest(bundle, refuse):
    manifest = bundle / "bundle.json"
    whole = manifest.read_bytes()
    places = {whole.index(b'"good"') + 1, whole.index(b'"max_length": ') + 14, len(whole) - 1, 0}
    places |= {int(share * len(whole)) for share in (0.1, 0.2, 0.4, 0.6, 0.8, 0.9)}
    for place in sorted(places):
        change_byte(manifest, place)
        refuse("predict", "bundle", "my order", status=4, says=("`bundle.json` must be as",))
        manifest.write_bytes(whole)


@pytest.mark.usefixtures("rows")
def test_every_verb_refuses_tampered_weights_by_their_name(bundle, refuse):
    change_byte(bundle / "model/model.safetensors", -1)
    says = (f"`model/model.safetensors` {AS_WRITTEN}; its sha256 differs",)
    refuse("predict", "bundle", "my order", status=4, says=says)
    refuse("predict", "bundle", "--data", "rows.csv", "--out", "a.jsonl", status=4, says=says)
    refuse("evaluate", "bundle", "rows.csv", "--out", "report", status=4, says=says)


@pytest.mark.parametrize("name", [name for name in FILES if name != "bundle.json"])
def test_predict_refuses_a_bundle_without_one_of_its_files(bundle, refuse, name):
    (bundle / name).unlink()
    refuse(
        *("predict", "bundle", "my order"),
        status=4,
        says=(f"`{name}` must be in the bundle; it is missing (bundle)",),
        hint="copy the bundle again",
    )


@pytest.mark.parametrize(
    "name", ["model/extra.json", "model/modeling_own.py", "model/deep/er.json", "run.py", "a.pkl"]
)
def test_predict_refuses_a_file_that_nobody_recorded(bundle, refuse, name):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("{}", "utf-8")
    refuse(
        *("predict", "bundle", "my order"),
        status=4,
        says=(f"`{name}` must not be in the bundle; nobody recorded it",),
    )


def test_predict_refuses_links_in_the_model_folder(bundle, refuse, tmp_path):
    weights = bundle / "model/model.safetensors"
    weights.unlink()
    weights.symlink_to(tmp_path / "nowhere")
    (bundle / "model/more").symlink_to(tmp_path)
    refuse(
        *("predict", "bundle", "my order"),
        status=4,
        says=(f"`model/model.safetensors` {AS_WRITTEN}", "`model/more` must not be"),
    )


@pytest.mark.parametrize(
    "content", [b"[]\n", b"{}\n", b"", b"{" * 50_000, b"[" * 50_000, b"\xff\xfe\x00", b"null"]
)
def test_predict_refuses_a_manifest_that_is_no_manifest(bundle, refuse, content):
    (bundle / "bundle.json").write_bytes(content)
    refuse("predict", "bundle", "my order", status=4, says=("`bundle.json` must be as",))


@pytest.mark.parametrize("key", ["reading", "pooling", "task", "files"])
def test_predict_refuses_a_forged_manifest_that_lacks_a_field(bundle, refuse, key):
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    del manifest[key], manifest["sha256_of_the_rest"]

    def canonical(fields: dict) -> bytes:
        return (json.dumps(fields, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()

    manifest["sha256_of_the_rest"] = hashlib.sha256(canonical(manifest)).hexdigest()
    (bundle / "bundle.json").write_bytes(canonical(manifest))
    refuse("predict", "bundle", "my order", status=4, says=("`bundle.json` must ", key))


def test_predict_refuses_a_bundle_of_a_later_format(bundle, refuse):
    manifest = json.loads((bundle / "bundle.json").read_text("utf-8"))
    (bundle / "bundle.json").write_text(json.dumps({**manifest, "format_version": 99}), "utf-8")
    refuse("predict", "bundle", "my order", status=4, says=("format 99, this version reads 1",))


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("plain", "no `bundle.json` in it"),
        ("nowhere", "no such folder"),
        ("rows.csv", "no `bundle.json` in it"),
        ("../" * 30 + "etc", "no `bundle.json` in it"),
        ("a text typed where the bundle should stand " * 20, "no such folder"),
    ],
    ids=["plain folder", "missing", "file", "outside", "text"],
)
def test_predict_on_what_is_no_bundle_says_what_was_found(here, refuse, path, found):
    (here / "plain").mkdir()
    refuse(
        *("predict", path, "my order"),
        status=3,
        says=(f"a bundle must stand at `{Path(path)}`; got {found}",),
        hint="tunesmith runs",
    )


def test_predict_on_a_run_that_has_not_finished_gives_the_command_to_resume(run_folder, refuse):
    os.rename(run_folder / "bundle", run_folder / "aside")
    refuse(
        *("predict", "run", "my order"),
        status=3,
        says=("got a run that has not finished",),
        hint="tunesmith fit run/config.lock.yaml --resume",
    )
