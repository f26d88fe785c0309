"""What the tests of the doors share: bundles of an untrained model, and requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import tunesmith
from tunesmith.core.errors import TunesmithError
from tunesmith.core.spec import is_positional
from tunesmith.interfaces.cli import app
from tunesmith.operations import OPERATIONS
from tunesmith.session import Session
from tunesmith.store.workspace import Workspace


@dataclass(frozen=True)
class Reply:
    """What a door gave: the JSON of the result or the error, and the exit status."""

    fields: dict[str, Any]
    status: int


def run_cli(*words: str, standard_input: str | None = None) -> Any:
    """Run the command line and return typer's result: exit_code, stdout, stderr."""
    return CliRunner().invoke(app, list(words), input=standard_input)


def words_of(verb: str, values: Mapping[str, Any]) -> list[str]:
    """Return the words that ask `verb` for `values`: arguments, flags, and --set for groups."""
    fields = OPERATIONS[verb].spec.model_fields
    words = [verb]
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if name in fields and is_positional(fields[name]):
            words += list(value) if isinstance(value, list) else [str(value)]
        elif name == "column":
            words += [word for role in value for word in (flag, f"{role}={value[role]}")]
        elif isinstance(value, Mapping):
            for path, leaf in _leaves(value, name):
                words += ["--set", f"{path}={json.dumps(leaf)}"]
        elif isinstance(value, list) and name in fields:
            words += [word for item in value for word in (flag, str(item))]
        elif value is True:
            words.append(flag)
        else:
            words += [flag, str(value)] if name in fields else ["--set", f"{name}={value}"]
    return words


def _leaves(value: Mapping[str, Any], path: str) -> list[tuple[str, Any]]:
    return [
        leaf
        for key, inner in value.items()
        for leaf in (
            _leaves(inner, f"{path}.{key}")
            if isinstance(inner, Mapping)
            else [(f"{path}.{key}", inner)]
        )
    ]


def by_python(verb: str, values: Mapping[str, Any], folder: Path) -> Reply:
    """Ask by the Python function."""
    del folder
    try:
        result = getattr(tunesmith, verb)(**values)
    except TunesmithError as error:
        return Reply(error.to_json(), error.exit_status)
    return Reply(json.loads(json.dumps(result.to_json())), 0)


def by_words(verb: str, values: Mapping[str, Any], folder: Path) -> Reply:
    """Ask by arguments and flags."""
    del folder
    return _reply(run_cli(*words_of(verb, values), "--json"))


def by_settings_file(verb: str, values: Mapping[str, Any], folder: Path) -> Reply:
    """Ask by a YAML file."""
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(dict(values), allow_unicode=True), encoding="utf-8")
    return _reply(run_cli(verb, str(path), "--json"))


def _reply(result: Any) -> Reply:
    """Check that one JSON document stands on standard output and words only on the other."""
    assert result.stdout.endswith("\n"), result.stderr
    assert result.stdout.count("\n") == 1
    assert "Error: " not in result.stdout
    assert ("Error: " in result.stderr) == (result.exit_code != 0)
    return Reply(json.loads(result.stdout, parse_constant=_refuse), result.exit_code)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


DOORS: dict[str, Callable[[str, Mapping[str, Any], Path], Reply]] = {
    "Python": by_python,
    "command line": by_words,
    "settings file": by_settings_file,
}


@pytest.fixture(scope="session")
def fitted(tmp_path_factory, tiny_model, tiny_rows) -> Path:
    """Return the folder of a run of the probe on two labels."""
    folder = tmp_path_factory.mktemp("fitted")
    tunesmith.fit(
        tiny_rows,
        task="classification",
        model=tiny_model,
        method="probe",
        out=folder / "run",
        session=Session(workspace=Workspace(folder / "home")),
    )
    return folder / "run"


@pytest.fixture(scope="session")
def entity_rows(tmp_path_factory) -> Path:
    """Return a JSONL of 40 rows with one entity each."""
    path = tmp_path_factory.mktemp("entities") / "rows.jsonl"
    rows = [
        {"text": f"my card {n} is late", "entities": [{"start": 3, "end": 7, "type": "ITEM"}]}
        for n in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tagged(tmp_path_factory, tiny_model, entity_rows) -> Path:
    """Return the folder of a run of two steps on entities."""
    folder = tmp_path_factory.mktemp("tagged")
    tunesmith.fit(
        entity_rows,
        task="ner",
        model=tiny_model,
        training={"max_steps": 2},
        out=folder / "run",
        session=Session(workspace=Workspace(folder / "home")),
    )
    return folder / "run"
