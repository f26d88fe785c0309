"""The table of targets: which line answers a row, what is met, and where the table is put."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture
def targets(load_benchmark):
    return load_benchmark("targets")


def line(row, value, **more):
    return {"row": row, "value": value, "low": value, "high": value, "count": 5, **more}


def test_table_says_which_targets_are_met_and_which_not_measured(targets):
    rows = targets.table(
        [line("tuning.wnut17.trainer", 3.6), line("tuning.wnut17.best", 1.4)]
    ).splitlines()
    assert len(rows) == 2 + len(targets.TARGETS)
    assert "| 3.60 | 3.60 to 3.60 | 5 | ≥ 3.5 | yes |" in rows[2]
    assert "| 1.40 | 1.40 to 1.40 | 5 | ≥ 1.5 | no |" in rows[3]
    assert "not measured" in rows[4]


def test_row_with_several_forms_takes_the_best_and_names_it(targets):
    lines = [line("predict.pipeline.torch_fp32", 5.0), line("predict.pipeline.torch_bf16", 9.0)]
    row = next(row for row in targets.table(lines).splitlines() if "against pipeline (" in row)
    assert "(torch_bf16) | 9.00" in row
    assert row.endswith("| yes |")


def test_row_of_another_name_with_the_same_beginning_does_not_answer(targets):
    target = next(target for target in targets.TARGETS if target.row == "predict.pipeline")
    assert target.best([line("predict.pipeline_2.torch_fp32", 5.0)]) is None


@pytest.mark.parametrize(("value", "word"), [(0.3, "yes"), (0.31, "no")])
def test_ceiling_is_met_from_below(targets, value, word):
    row = next(
        row
        for row in targets.table([line("size.onnx_int8", value)]).splitlines()
        if "int8 size" in row
    )
    assert "≤ 0.3" in row
    assert row.endswith(f"| {word} |")


def test_table_in_chinese_has_the_same_figures(targets):
    text = targets.table([line("startup.pipeline", 0.5)], language="zh-CN")
    assert "| 0.50 | 0.50～0.50 | 5 | ≤ 0.7 | 是 |" in text


def test_fill_replaces_what_stands_between_the_marks(targets):
    document = "a\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nb\n"
    filled = targets.fill(document, "new\n")
    assert filled == "a\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nb\n"
    with pytest.raises(ValueError, match="marks"):
        targets.fill("a document without", "new\n")


def test_lines_are_read_between_whatever_else_was_printed(targets, tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text(f"Loading…\n{json.dumps(line('x', 1.0))}\n\n", encoding="utf-8")
    assert [each["row"] for each in targets.read_lines(path)] == ["x"]


def test_pages_on_speed_have_the_marks_and_name_the_same_scripts(targets, repository):
    pages = [
        (repository / "docs" / name).read_text(encoding="utf-8")
        for name in ("speed.md", "speed.zh-CN.md")
    ]
    for page in pages:
        assert "| a table |" in targets.fill(page, "| a table |\n")
    scripts = [re.findall(r"python (benchmarks/.+)", page) for page in pages]
    assert len(scripts[0]) > 4
    assert scripts[0] == scripts[1]
    assert all((repository / command.split()[0]).is_file() for command in scripts[0])
