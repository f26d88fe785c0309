"""What the source looks like: sizes, names, docstrings, no printing. Every loop counts its files.

The rule of sizes is soft: a module above 400 lines, or one with a function above 50 statements, is
let pass where a docstring of it says why, in a sentence that begins with `Long because`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

MOST_LINES = 400
MOST_STATEMENTS = 50
REASON = "Long because "
VAGUE = {"utils", "util", "helpers", "common", "misc", "base", "manager", "handler", "processor"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.fixture(scope="module")
def library(repository) -> dict[Path, ast.Module]:
    """Return the parsed modules of the package."""
    return _parsed(repository / "src")


@pytest.fixture(scope="module")
def everything(repository, library) -> dict[Path, ast.Module]:
    """Return the parsed modules of the package, tests, examples and benchmarks."""
    more = [_parsed(repository / name) for name in ("tests", "examples", "benchmarks")]
    return library | {path: tree for part in more for path, tree in part.items()}


def _parsed(folder: Path) -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")}


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


def _statements(function: ast.AST) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1


def test_modules_are_of_a_size_to_be_read_or_say_why_not(everything):
    assert len(everything) > 150
    long = {
        str(path): lines
        for path, tree in everything.items()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
        and REASON not in (ast.get_docstring(tree) or "")
    }
    assert not long


def test_functions_are_of_a_size_to_be_read_or_say_why_not(everything):
    count = 0
    long = {}
    for path, tree in everything.items():
        for function in _functions(tree):
            count += 1
            documents = (ast.get_docstring(tree) or "") + (ast.get_docstring(function) or "")
            size = _statements(function)
            if size > MOST_STATEMENTS and REASON not in documents:
                long[f"{path}:{function.name}"] = size
    assert count > 1000
    assert not long


def test_modules_are_named_after_a_thing(everything):
    names = {part for path in everything for part in path.with_suffix("").parts}
    assert {"tunesmith", "spans", "bundles"} <= names
    assert not names & VAGUE


def test_library_never_prints(library):
    """What must be said is an event or an error; `typer.echo` and rich stay in the doors."""
    assert len(library) > 90
    printing = [
        f"{path}:{node.lineno}"
        for path, tree in library.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"print", "input", "breakpoint"}
    ]
    assert not printing


def test_library_never_executes_what_it_read(library):
    """No pickle, no eval: a bundle or a row is never run."""
    names = {"eval", "exec", "compile", "__import__"}
    modules = {"pickle", "cPickle", "marshal", "shelve", "dill", "joblib"}
    found = []
    for path, tree in library.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found += [f"{path}:{node.lineno}"] * (node.func.id in names)
            if isinstance(node, ast.Import):
                found += [f"{path}:{node.lineno}" for alias in node.names if alias.name in modules]
            if isinstance(node, ast.ImportFrom):
                found += [f"{path}:{node.lineno}"] * (node.module in modules)
    assert not found


def test_library_asserts_nothing_that_a_user_can_cause(library):
    asserting = [
        f"{path}:{node.lineno}"
        for path, tree in library.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert not asserting


def test_every_module_and_package_has_a_docstring(library):
    packages = [path for path in library if path.name == "__init__.py"]
    assert len(packages) > 10
    without = [str(path) for path, tree in library.items() if not ast.get_docstring(tree)]
    assert not without
    folders = {path.parent for path in library}
    assert folders - {path.parent for path in packages} == set()


def test_docstrings_begin_with_one_sentence(library):
    count = 0
    faults = []
    for path, tree in library.items():
        for node in ast.walk(tree):
            if not isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
                continue
            document = ast.get_docstring(node)
            if document:
                count += 1
                first = document.partition("\n\n")[0]
                if not first.rstrip().endswith((".", ":")):
                    faults.append(f"{path}: {getattr(node, 'name', 'module')}: {first[:60]}")
    assert count > 500
    assert not faults


def test_tests_mirror_the_packages(repository):
    special = {"doors", "contracts", "architecture", "docs", "parity", "faults", "benchmarks"}
    special |= {"deploy"}
    folders = {
        path.name for path in (repository / "tests").iterdir() if any(path.glob("**/test_*.py"))
    }
    packages = {path.name for path in (repository / "src" / "tunesmith").iterdir()}
    assert len(folders) > 10
    assert folders <= special | packages
    assert {"core", "tasks", "store", "data", "measure", "model", "runtime"} <= folders


def test_test_names_say_what_is_expected(repository):
    names = [
        function.name
        for path in (repository / "tests").rglob("test_*.py")
        for function in _functions(ast.parse(path.read_text(encoding="utf-8")))
        if function.name.startswith("test_")
    ]
    assert len(names) > 400
    assert [name for name in names if name.count("_") < 3] == []
