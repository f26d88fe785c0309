"""The table of data boosters: gains over the plain recipe, and what lacks its model."""

from __future__ import annotations

from argparse import Namespace

import pytest


def test_gain_is_told_with_deviation_and_no_gain_as_plainly(load_benchmark):
    gain = load_benchmark("data_boosters")._gain
    plain = {0: 0.70, 1: 0.72, 2: 0.71}
    better = gain({seed: value + 0.02 for seed, value in plain.items()}, plain)
    assert better["value"] == pytest.approx(0.73)
    assert better["sd"] == pytest.approx(0.01)
    assert better["against plain"]["value"] == pytest.approx(0.02)
    assert better["against plain"]["verdict"] == "gain"
    assert better["against plain"]["sd"] == pytest.approx(0.0)
    mixed = gain({0: 0.75, 1: 0.70, 2: 0.72}, plain)
    assert mixed["against plain"]["verdict"] == "no gain"
    assert gain(plain, plain)["against plain"]["verdict"] == "no gain"
    assert "against plain" not in gain(plain, {})
    assert gain({0: 0.5}, {})["sd"] is None


def test_boosters_without_their_model_are_left_out(load_benchmark):
    boosters = load_benchmark("data_boosters")
    wanted = Namespace(boosters=list(boosters.BOOSTERS), masked=None, there="x", back=None)
    left = boosters._boosters(wanted)
    assert "plain" in left
    assert not {"masked", "back-translation"} & set(left)
    wanted.masked, wanted.back = "model", "y"
    assert boosters._boosters(wanted) == list(boosters.BOOSTERS)
