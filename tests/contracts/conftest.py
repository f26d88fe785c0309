"""Bundles of every task with every method, each tuned when it is first asked for."""

from __future__ import annotations

import pytest

import tunesmith
from tunesmith.core.methods import DELTAS

from .task_rows import EPOCHS, MODELS, kind_of, write_rows


class Fits(dict):
    """The results by (task, method), each pair fitted when it is first asked for."""

    def __init__(self, folders, fixture):
        self.folders, self.fixture = folders, fixture

    def __missing__(self, pair):
        task, method = pair
        folder = self.folders.mktemp(f"{task}-{method}")
        data, settings = write_rows(folder, task, 80)
        if task == "recommendation":
            settings["recommend"] = {"batch_events": 8}
        if method in DELTAS and task in MODELS:  # what is hardly tuned writes without end
            settings = {"decoding": {"beams": 1, "max_new_tokens": 12}}
        self[pair] = tunesmith.fit(
            str(data),
            task=kind_of(task),
            method=method,
            model=str(self.fixture(MODELS.get(task, "tiny_model"))),
            training={
                "learning_rate": 2e-3,
                "epochs": 2 if method in DELTAS else EPOCHS.get(task, 12),
                "batch_tokens": 128,
                "evaluate_every": 20,
                "patience": 0,
            },
            out=str(folder / "run"),
            **settings,
        )
        return self[pair]


@pytest.fixture(scope="session")
def fitted(tmp_path_factory, request):
    """Fit each pair once, when a test asks for it."""
    return Fits(tmp_path_factory, request.getfixturevalue)
