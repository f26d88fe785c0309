"""Exports of every task that is read answer as its model did, whatever shares a batch."""

from __future__ import annotations

import shutil

import pytest

import tunesmith
from tunesmith.core.errors import SpecError
from tunesmith.operations.exporting import EXPORTED
from tunesmith.runtime.loading import load_engine

from .answers import assert_alike, served_difference
from .task_rows import ASKED, ROWS, as_asked, held_rows, kind_of

READ = [task for task in ROWS if kind_of(task) in EXPORTED and task not in ASKED]


@pytest.mark.parametrize("task", READ)
def test_export_answers_as_its_model_did_whatever_shares_the_batch(fitted, task, tmp_path):
    bundle = tmp_path / "bundle"
    shutil.copytree(fitted[task, "full"].bundle, bundle)
    for precision in ("fp32", "int8"):
        parity = tunesmith.export(bundle, precision=precision).parity
        assert parity["score"]["rows"] == parity["rows"] >= 8
        assert served_difference(bundle, engine="onnx", precision=precision) == ""
    gold = {*load_engine(bundle).task.gold_roles, "score"}
    rows = [{role: row[role] for role in row if role not in gold} for row in held_rows(task)]
    texts = [as_asked(row) for row in rows]

    def answers(order, **how):
        result = tunesmith.predict(bundle, texts=order, all_scores=True, cache=0, **how)
        return result.engine, result.predictions

    plain, exact = answers(texts, engine="torch"), answers(texts, precision="fp32")
    assert (plain[0], exact[0]) == ("torch fp32", "onnx fp32")
    assert_alike(exact[1], plain[1])
    engine, together = answers(texts)
    assert engine == "onnx int8"
    assert_alike(together, answers(texts[::-1])[1][::-1])
    assert_alike(together[:3], [answers([text])[1][0] for text in texts[:3]])


@pytest.mark.parametrize("task", ["summarization", "recommendation", "translation"])
def test_export_of_what_is_written_or_ranked_is_refused(fitted, task):
    method = "extractive" if task == "summarization" else "full"
    with pytest.raises(SpecError, match=f"read and not written or ranked .* for {task}"):
        tunesmith.export(fitted[task, method].bundle)
