"""Who may import whom, what a start costs in imports, and the public face."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from importlinter.cli import lint_imports

import tunesmith
from tunesmith.operations import OPERATIONS
from tunesmith.operations.env import EXTRAS
from tunesmith.session import Session

SPEC_LIBRARIES = {
    "_distutils_hack",
    "annotated_types",
    "pydantic",
    "pydantic_core",
    "typing_extensions",
    "typing_inspection",
    "yaml",
}
CLI_LIBRARIES = SPEC_LIBRARIES | {"annotated_doc", "click", "shellingham", "typer"}
IMPORTED = """
import sys
names = {
    name.partition(".")[0]
    for name, module in sys.modules.items()
    if "site-packages" in (getattr(module, "__file__", None) or "")
}
print("imported", *sorted(names))
"""
COMMAND = """
import sys
from tunesmith.interfaces.cli import app
sys.argv = ["tunesmith", *{words!r}]
try:
    app()
except SystemExit as left:
    assert not left.code
"""


@pytest.fixture(scope="module")
def project(repository) -> dict[str, Any]:
    """Return what pyproject.toml says."""
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def packages(repository: Path) -> set[str]:
    """Return the names directly below `tunesmith`, folders and modules alike."""
    return {
        path.stem
        for path in (repository / "src" / "tunesmith").iterdir()
        if path.name not in {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
    }


def test_layers_and_borders_are_kept(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


def test_layers_name_every_package(repository, project):
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = (contract for contract in contracts if contract["type"] == "layers")
    named = {name.strip() for line in layers["layers"] for name in line.split("|")}
    assert named == packages(repository)
    assert layers["exhaustive"]


def test_borders_hold_for_every_package_but_the_one_that_owns_the_library(repository, project):
    """A package that is added must be named in each border: nothing forgets itself."""
    contracts = project["tool"]["importlinter"]["contracts"]
    borders = [contract for contract in contracts if contract["name"].startswith("Border: ")]
    assert len(borders) >= 3
    for border in borders:
        bound = {name.removeprefix("tunesmith.") for name in border["source_modules"]}
        owners = packages(repository) - bound
        assert len(owners) == 1, (border["name"], owners)
        assert f"only in {owners.pop()}/" in border["name"]


def test_public_names_are_exactly_the_listed_ones():
    assert sorted(tunesmith.__all__) == [
        "TunesmithError",
        "check",
        "env",
        "evaluate",
        "export",
        "fit",
        "keys",
        "mask",
        "plan",
        "predict",
        "pretrain",
        "prompt",
        "runs",
        "serve",
        "stream",
        "verify",
        "zoo",
    ]
    shown = {
        name
        for name, value in vars(tunesmith).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert shown == set(tunesmith.__all__)


def test_public_names_are_every_operation_the_error_and_the_stream():
    """A text that is given while it is written is no result, so no operation gives it."""
    assert set(tunesmith.__all__) == {*OPERATIONS, "TunesmithError", "stream"}
    assert all(callable(getattr(tunesmith, name)) for name in tunesmith.__all__)


def test_public_names_are_never_those_of_packages(repository):
    """Python binds a package's name over the function's when it is first imported."""
    assert not set(tunesmith.__all__) & packages(repository)


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import tunesmith", SPEC_LIBRARIES),
        ("import tunesmith.core.spec, tunesmith.core.recipe", SPEC_LIBRARIES),
        (COMMAND.format(words=["--help"]), CLI_LIBRARIES),
        (COMMAND.format(words=["fit", "--help"]), CLI_LIBRARIES),
        (COMMAND.format(words=["serve", "--help"]), CLI_LIBRARIES),
        (COMMAND.format(words=["serve", "b", "--port", "1", "--print-spec"]), CLI_LIBRARIES),
        (COMMAND.format(words=["fit", "d", "--task", "ner", "--print-spec"]), CLI_LIBRARIES),
    ],
)
def test_start_imports_only_light_libraries(code, allowed):
    command = [sys.executable, "-c", code + IMPORTED]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    _, *imported = made.stdout.splitlines()[-1].split()
    assert "pydantic" in imported
    assert set(imported) <= allowed


PREDICTING = """
import sys, tunesmith
print(tunesmith.predict(sys.argv[1], ["my order is late"]).engine)
"""


def test_answering_by_onnx_imports_neither_torch_nor_transformers(tmp_path, tiny_model, tiny_rows):
    fitted = tunesmith.fit(
        tiny_rows, task="classification", model=tiny_model, method="probe", out=tmp_path / "run"
    )
    tunesmith.export(fitted.bundle)
    command = [sys.executable, "-c", PREDICTING + IMPORTED, str(fitted.bundle)]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    engine, imported = made.stdout.splitlines()
    assert engine == "onnx fp32"
    names = set(imported.split()[1:])
    assert {"onnxruntime", "tokenizers", "numpy"} <= names
    assert names <= SPEC_LIBRARIES | {"onnxruntime", "tokenizers", "numpy"}


def test_extras_that_env_looks_for_are_those_that_can_be_installed(project):
    extras = project["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"test", "bench"}
    for extra, names in EXTRAS.items():
        wanted = {re.split(r"[\[>=]", requirement)[0] for requirement in extras[extra]}
        assert set(names) == wanted


def test_constraints_pin_every_dependency_but_torch(repository, project):
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines if "==" in line}
    needed = project["project"]["dependencies"]
    names = {requirement.partition(">")[0].lower() for requirement in needed} - {"torch"}
    assert names <= pinned


def test_session_has_at_most_six_public_members():
    members = {name for name in (*vars(Session), "workspace") if not name.startswith("_")}
    assert members == {"workspace", "device", "backbone", "examples", "save", "emit"}
