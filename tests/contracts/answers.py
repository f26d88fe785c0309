"""How answers are held to each other, and to what a service gives."""

from __future__ import annotations

import json

import pytest

from tunesmith.core.serving import ServiceLimits
from tunesmith.operations.predict import PredictSpec, open_engine
from tunesmith.operations.serving import BundleAnswerer
from tunesmith.session import Session
from tunesmith.stages.serve.canary import compare_canary
from tunesmith.stages.serve.requests import RequestSpec, demands_of, read_rows
from tunesmith.store.bundles import read_bundle


def assert_alike(ours, theirs):
    """Hold predictions to others: all is the same, but numbers within 1e-4."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert _is_near(one[name], other[name]), (name, one[name], other[name])


def _is_near(ours, theirs):
    if isinstance(ours, float):
        return ours == pytest.approx(theirs, abs=1e-4)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_is_near(ours[n], theirs[n]) for n in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(_is_near, ours, theirs))
    return ours == theirs


def served_difference(bundle, *, engine, precision):
    """Return what differs between a service's answers to canary rows and those on record."""
    bundle = read_bundle(bundle)
    spec = PredictSpec(bundle=str(bundle.path), column={}, engine=engine, precision=precision)
    with open_engine(spec, Session(device="cpu"), bundle) as (opened, name):
        answerer = BundleAnswerer(opened, name, bundle, cache=0)
        assert answerer.is_shareable
        canary = answerer.facts()["canary"]
        rows = tuple(row["row"] for row in canary)
        request = RequestSpec(rows=rows, all_scores=True)
        asked = read_rows(request, bundle.task, limits=ServiceLimits())
        order = {"id": 0, "rows": asked.rows, "demands": demands_of(request)}
        (reply,) = answerer.answer([order])
    assert canary
    assert asked.tokens >= 2 * len(rows)
    canary, answers = json.loads(json.dumps(canary)), json.loads(json.dumps(reply.answers))
    return compare_canary(canary, answers, is_exact=precision == "fp32")
