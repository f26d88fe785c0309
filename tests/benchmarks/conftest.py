from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture
def load_benchmark(repository, monkeypatch) -> Callable[[str], ModuleType]:
    """Import a module of `benchmarks/` as its scripts do, and forget it after the test."""
    folder = repository / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    yield importlib.import_module

    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
