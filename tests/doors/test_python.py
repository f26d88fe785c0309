"""The Python door: functions with the spec's parameters, paths as they come, events, help."""

from __future__ import annotations

import errno
import inspect
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import InterruptedRunError, SpecError
from tunesmith.core.events import Event, Said
from tunesmith.operations import OPERATIONS
from tunesmith.session import Session
from tunesmith.store.workspace import Workspace


@pytest.mark.parametrize("verb", sorted(OPERATIONS))
def test_function_has_the_parameters_and_defaults_of_its_spec(verb):
    function = getattr(tunesmith, verb)
    signature = inspect.signature(function)
    fields = OPERATIONS[verb].spec.model_fields
    assert set(signature.parameters) == {*fields, "session"}
    for name, field in fields.items():
        default = signature.parameters[name].default
        assert (default is inspect.Parameter.empty) == field.is_required()
    assert signature.return_annotation is OPERATIONS[verb].result


@pytest.mark.parametrize("verb", sorted(OPERATIONS))
def test_function_help_describes_every_parameter(verb):
    document = inspect.getdoc(getattr(tunesmith, verb))
    for name, field in OPERATIONS[verb].spec.model_fields.items():
        assert f"{name}: {' '.join(field.description.split())}" in document
    assert "Raises:" in document


def test_result_of_fit_leads_on_to_evaluate_and_predict(fitted, tiny_rows):
    bundle = fitted / "bundle"
    assert isinstance(bundle, Path)
    marked = tunesmith.evaluate(bundle, tiny_rows)
    assert marked.measures["accuracy"].count == 60
    one = tunesmith.predict(bundle, "it is good")
    many = tunesmith.predict(bundle, ["it is good"])
    assert one.predictions == many.predictions
    assert one.predictions[0]["label"] in {"good", "bad"}


def test_predict_of_rows_returns_them_and_prints_nothing(fitted, tiny_rows, capfd):
    result = tunesmith.predict(fitted, data=tiny_rows)
    assert result.rows == len(result.predictions) == 60
    assert result.out is None
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_positional_arguments_too_many_or_twice_are_refused():
    with pytest.raises(SpecError, match="positional arguments"):
        tunesmith.predict("bundle", ["x"], "more")
    with pytest.raises(SpecError, match="each once"):
        tunesmith.predict("bundle", bundle="bundle")


def test_session_hears_what_happens_and_keeps_the_records(tmp_path, tiny_rows, fitted):
    heard: list[Event] = []
    session = Session(workspace=Workspace(tmp_path / "home"), listener=heard.append)
    tunesmith.evaluate(fitted, tiny_rows, session=session)
    assert heard
    tunesmith.check(tiny_rows, task="classification", session=session, model=_model(fitted))
    assert any(isinstance(event, Said) for event in heard)
    recorded = tunesmith.runs(session=session)
    assert [run["operation"] for run in recorded.runs] == ["evaluate"]
    assert recorded.runs[0]["status"] == "done"
    assert recorded.runs[0]["result"]["measures"]["accuracy"]["count"] == 60
    assert tunesmith.runs(recorded.runs[0]["id"][:6], session=session).action == "show"


def _model(fitted: Path) -> str:
    import yaml

    return yaml.safe_load((fitted / "config.lock.yaml").read_text())["model"]["name"]


def test_run_that_fails_is_recorded_with_its_problems(tmp_path, tiny_rows):
    session = Session(workspace=Workspace(tmp_path / "home"))
    with pytest.raises(tunesmith.TunesmithError):
        tunesmith.evaluate("nowhere", tiny_rows, session=session)
    (run,) = tunesmith.runs(session=session).runs
    assert run["status"] == "failed"
    assert run["problem"]["error"] == "not_found"


def test_interrupt_that_leaves_as_another_error_still_counts_as_one(tmp_path, tiny_rows, fitted):
    def listener(_: Event) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise OSError(errno.EBADF, "closed twice")

    session = Session(workspace=Workspace(tmp_path / "home"), listener=listener)
    with pytest.raises(InterruptedRunError, match="stopped before its end"):
        tunesmith.evaluate(fitted, tiny_rows, session=session)
    (run,) = tunesmith.runs(session=session).runs
    assert run["status"] == "interrupted"
