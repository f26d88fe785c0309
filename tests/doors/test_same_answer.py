"""Every operation, asked for the same through every door, gives the same result or problems."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.operations import OPERATIONS
from tunesmith.store.audit import AuditLog

from .conftest import DOORS, Reply

CLOCKED = {"seconds", "fingerprint", "latency_ms", "memory_gb"}
"""Fields that differ from run to run: times and memory, and a bundle's name, whose report
holds its date."""

NOWHERE = dict.fromkeys(
    (
        "rows",
        "model",
        "out",
        "renamed",
        "run",
        "copy",
        "report",
        "answers",
        "bare",
        "corpus",
        "speaks",
        "log",
        "keys",
        "masked",
        "audit",
    ),
    "",
)
"""Places that are not needed to count the requests."""


def good_requests(place: dict[str, str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return (verb, settings) by name; every request may be repeated."""
    rows = {"data": place["rows"], "task": "classification", "model": place["model"]}
    out = {"out": place["out"], "overwrite": True}
    return {
        "check": ("check", rows),
        "check with a group of settings": ("check", {**rows, "split": {"valid": 0.25}}),
        "plan": (
            "plan",
            {"data": place["rows"], "model": place["model"], **out, "candidates": ["probe"],
             "budget_minutes": 9.0},
        ),
        "fit a probe": ("fit", {**rows, **out, "method": {"name": "probe", "strengths": [1, 9]}}),
        "fit fully": ("fit", {**rows, **out, "training": {"max_steps": 2, "threads": 1}}),
        "fit with columns": (
            "fit",
            {**rows, **out, "data": place["renamed"], "method": "probe",
             "column": {"text": "body", "label": "kind"}},
        ),
        "evaluate": ("evaluate", {"bundle": place["run"], "data": place["rows"]}),
        "evaluate into a folder": (
            "evaluate",
            {"bundle": place["run"], "data": place["rows"], "out": place["report"],
             "overwrite": True, "seed": 3},
        ),
        "zoo list": ("zoo", {"action": "list", "task": "ner", "max_parameters": "30M"}),
        "zoo show": ("zoo", {"action": "show", "subject": "minilm"}),
        "zoo show, timed": (
            "zoo",
            {"action": "show", "subject": "google/bert_uncased_L-2_H-128_A-2", "timed": True},
        ),
        "zoo check": (
            "zoo",
            {"action": "check", "subject": place["rows"], "task": "classification",
             "model": place["model"]},
        ),
        "zoo rank": (
            "zoo",
            {"action": "rank", "subject": place["rows"], "task": "classification",
             "models": [place["model"]], "rows": 40},
        ),
        "predict texts": ("predict", {"bundle": place["run"], "texts": ["good", "坏"]}),
        "predict with all scores": (
            "predict",
            {"bundle": place["run"], "texts": ["good"], "all_scores": True},
        ),
        "predict rows": ("predict", {"bundle": place["run"], "data": place["rows"]}),
        "predict into a file": (
            "predict",
            {"bundle": place["run"], "data": place["rows"], "out": place["answers"],
             "overwrite": True},
        ),
        "predict with an engine": (
            "predict",
            {"bundle": place["run"], "texts": ["good"] * 3, "engine": "torch", "threads": 1,
             "cache": 0},
        ),
        "export": ("export", {"bundle": place["copy"], "to": "onnx"}),
        "export and measure": ("export", {"bundle": place["copy"], "data": place["rows"]}),
        "pretrain from scratch": (
            "pretrain",
            {"corpus": place["corpus"], **out, "size": "tiny", "training": {"max_steps": 2},
             "reading": {"window_tokens": 32}},
        ),
        "pretrain on": (
            "pretrain",
            {"corpus": place["rows"], **out, "model": place["model"], "objective": "contrastive",
             "training": {"max_steps": 2}, "reading": {"repeats": "keep"}},
        ),
        "prompt": (
            "prompt",
            {**rows, **out, "model": place["speaks"], "templates": ["{text} it is {label}"],
             "words": {"bad": "bad|lost"}, "examples": [0, 2], "candidates": 2, "first_rows": 8,
             "most_rows": 8},
        ),
        "serve no longer than to check": (
            "serve", {"bundles": [place["run"]], "check": True, "log": place["log"], "threads": 1}),
        "keys": ("keys", {"keys": place["keys"]}),
        "mask": (
            "mask", {"data": place["rows"], "out": place["masked"], "overwrite": True,
                     "mask": ["email", "phone"], "only": ["text"]}),
        "verify": ("verify", {"log": place["audit"]}),
        "runs": ("runs", {}),
        "env": ("env", {}),
    }  # fmt: skip


def bad_requests(place: dict[str, str]) -> dict[str, tuple[str, dict[str, Any], int]]:
    """Return (verb, settings, exit status) by name."""
    rows = {"data": place["rows"], "task": "classification", "model": place["model"]}
    return {
        "plan of no method": ("plan", {**rows, "candidates": ["magic"]}, 2),
        "nothing": ("fit", {}, 2),
        "no task": ("fit", {"data": "x"}, 2),
        "three faults": (
            "fit",
            {**rows, "task": "poetry", "seed": -1, "training": {"epochs": 0}},
            2,
        ),
        "unknown setting of a group": ("fit", {**rows, "training": {"epoch": 3}}, 2),
        "unknown setting": ("fit", {**rows, "epochs": 3}, 2),
        "unknown method": ("fit", {**rows, "method": "magic"}, 2),
        "setting of another method": ("fit", {**rows, "method": {"strengths": [1]}}, 2),
        "seed of letters": ("check", {**rows, "seed": "one"}, 2),
        "unknown role": ("fit", {**rows, "column": {"txt": "body"}}, 2),
        "run that stands there": ("fit", {**rows, "method": "probe", "out": place["run"]}, 2),
        "file for the folder": ("evaluate",
            {"bundle": place["run"], "data": place["rows"], "out": place["rows"]}, 2),
        "texts and rows": (
            "predict", {"bundle": place["run"], "texts": ["x"], "data": place["rows"]}, 2),
        "int8 in torch": (
            "predict",
            {"bundle": place["run"], "texts": ["x"], "engine": "torch", "precision": "int8"}, 2),
        "export that is not there": (
            "predict", {"bundle": place["run"], "texts": ["x"], "engine": "onnx"}, 3),
        "no such bundle to export": ("export", {"bundle": "nowhere"}, 3),
        "folder for the hub without a licence": (
            "export",
            {"bundle": place["run"], "to": "hub-folder", "out": place["out"] + "-hub"}, 2),
        "size of a model that has one": (
            "pretrain",
            {"corpus": place["corpus"], "model": place["model"], "size": "tiny"}, 2),
        "setting of another objective": (
            "pretrain",
            {"corpus": place["corpus"], "objective": {"name": "causal", "mask_ratio": 0.2}}, 2),
        "no such corpus": ("pretrain", {"corpus": place["corpus"] + "x"}, 3),
        "corpus without its column": ("pretrain", {"corpus": place["renamed"]}, 4),
        "template without its slots": (
            "prompt", {**rows, "model": place["speaks"], "templates": ["{label}", "{text}"]}, 2),
        "no such rows to prompt": (
            "prompt", {**rows, "model": place["speaks"], "data": place["rows"] + "x"}, 3),
        "limit of nothing": ("runs", {"limit": 0}, 2),
        "two bundles of one name": (
            "serve", {"bundles": [place["run"], place["run"]], "check": True}, 2),
        "candidate of no model": (
            "serve",
            {"bundles": [place["run"]], "candidate": [f"b={place['run']}"], "check": True}, 2),
        "no such bundle to serve": ("serve", {"bundles": ["a=nowhere"], "check": True}, 3),
        "limit of a service that is none": (
            "serve", {"bundles": [place["run"]], "limits": {"row": 3}}, 2),
        "open service on a network": (
            "serve", {"bundles": [place["run"]], "host": "0.0.0.0", "keys": place["keys"]}, 2),
        "no such model to rank": (
            "zoo",
            {"action": "rank", "subject": place["rows"], "task": "ner", "models": ["nothing"]}, 3),
        "no such model to show": ("zoo", {"action": "show", "subject": "nobody/nothing"}, 3),
        "key of nobody": ("keys", {"action": "revoke", "name": "x", "keys": place["keys"]}, 3),
        "mask into another format": (
            "mask", {"data": place["rows"], "out": place["answers"]}, 2),
        "mask of an unknown kind": (
            "mask", {"data": place["rows"], "out": place["masked"], "mask": ["shoes"]}, 2),
        "tokens of half an issuer": (
            "serve", {"bundles": [place["run"]], "check": True, "jwt_issuer": "x"}, 2),
        "audit log of another end": ("verify", {"log": place["audit"], "expect": "0" * 64}, 9),
        "no such audit log": ("verify", {"log": place["audit"] + "x"}, 3),
        "no such rows": ("check", {**rows, "data": place["rows"] + "x"}, 3),
        "no such model": ("check", {**rows, "model": "./nothing/here"}, 3),
        "no such bundle": ("evaluate", {"bundle": "nowhere", "data": place["rows"]}, 3),
        "no such bundle to predict": ("predict", {"bundle": "nowhere", "texts": ["x"]}, 3),
        "no such run": ("runs", {"action": "zzzz"}, 3),
        "no such column": ("fit", {**rows, "column": {"label": "kind"}}, 4),
        "rows without labels": ("evaluate", {"bundle": place["run"], "data": place["bare"]}, 4),
    }  # fmt: skip


def test_every_operation_is_asked_well_and_badly():
    assert {verb for verb, _ in good_requests(NOWHERE).values()} == set(OPERATIONS)
    takes_settings = {name for name, row in OPERATIONS.items() if row.spec.model_fields}
    assert {verb for verb, *_ in bad_requests(NOWHERE).values()} == takes_settings


@pytest.fixture
def place(tmp_path: Path, tiny_model, tiny_masked, tiny_rows, tiny_text, fitted) -> dict[str, str]:
    """Return where the requests find and leave things."""
    text = tiny_rows.read_text(encoding="utf-8")
    copy = shutil.copytree(fitted, tmp_path / "copy")
    renamed, bare = tmp_path / "renamed.csv", tmp_path / "bare.csv"
    renamed.write_text(text.replace("text,label", "body,kind", 1), encoding="utf-8")
    bare.write_text("text\nis it good\n", encoding="utf-8")
    audit = tmp_path / "audit.jsonl"
    AuditLog(audit, largest_bytes=10_000).close()
    return {
        "corpus": str(tiny_text),
        "rows": str(tiny_rows),
        "renamed": str(renamed),
        "bare": str(bare),
        "model": str(tiny_model),
        "speaks": str(tiny_masked),
        "run": str(fitted),
        "copy": str(copy),
        "out": str(tmp_path / "run"),
        "report": str(tmp_path / "report"),
        "answers": str(tmp_path / "answers.jsonl"),
        "log": str(tmp_path / "log"),
        "keys": str(tmp_path / "keys.json"),
        "masked": str(tmp_path / "masked.csv"),
        "audit": str(audit),
    }


def ask_all(verb: str, values: dict[str, Any], folder: Path) -> dict[str, Reply]:
    doors: dict[str, Callable] = dict(DOORS)
    if not values:
        del doors["settings file"]
    return {name: door(verb, values, folder) for name, door in doors.items()}


@pytest.mark.parametrize("name", good_requests(NOWHERE))
def test_request_through_every_door_gives_the_same_result(name, place, tmp_path):
    verb, values = good_requests(place)[name]
    replies = ask_all(verb, values, tmp_path)
    assert {door: reply.status for door, reply in replies.items()} == dict.fromkeys(replies, 0)
    results = [_without_clocks(reply.fields) for reply in replies.values()]
    assert results[0]
    assert all(result == results[0] for result in results[1:])


@pytest.mark.parametrize("name", bad_requests(NOWHERE))
def test_bad_request_through_every_door_meets_the_same_problems(name, place, tmp_path):
    verb, values, status = bad_requests(place)[name]
    replies = ask_all(verb, values, tmp_path)
    assert {door: reply.status for door, reply in replies.items()} == dict.fromkeys(replies, status)
    errors = [_without_door(reply.fields) for reply in replies.values()]
    assert errors[0]["problems"]
    assert all(error == errors[0] for error in errors[1:])


def test_bad_request_names_all_its_problems(place, tmp_path):
    verb, values, _ = bad_requests(place)["three faults"]
    for reply in ask_all(verb, values, tmp_path).values():
        named = " ".join(problem["must"] for problem in reply.fields["problems"])
        assert all(f"`{path}`" in named for path in ("task", "seed", "training.epochs"))


def _without_clocks(value: Any) -> Any:
    """Return a result without what differs from run to run."""
    if isinstance(value, dict):
        return {key: _without_clocks(inner) for key, inner in value.items() if key not in CLOCKED}
    if isinstance(value, list):
        return [_without_clocks(inner) for inner in value]
    if isinstance(value, float):
        assert math.isfinite(value)
    return value


def _without_door(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an error without the name of the door and the kind of what was typed.

    A number that was typed is text until the spec reads it: `'0'` where Python gave `0`.
    """
    problems = [
        {
            "must": problem["must"],
            "found": re.sub(r"^'(-?[\d.]+)'$", r"\1", problem["found"]),
            "where": re.sub(r"^(Python|(.*settings\.yaml, )?command line)$", "", problem["where"]),
        }
        for problem in fields["problems"]
    ]
    return {**fields, "problems": problems}
