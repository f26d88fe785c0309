from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("tunesmith", deadline=None, derandomize=True)
settings.load_profile("tunesmith")


@pytest.fixture(autouse=True)
def _own_workspace(tmp_path_factory, monkeypatch):
    """Keep every test's records out of the user's workspace."""
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of public data sets, where the person who runs the tests has one."""
    folder = Path(os.environ.get("TUNESMITH_DATA", ""))
    if not os.environ.get("TUNESMITH_DATA") or not folder.is_dir():
        pytest.skip("set TUNESMITH_DATA to the folder of public data sets")
    return folder
