"""What must be reached, and the table that says whether it was, from the lines of the benchmarks.

Usage: python benchmarks/targets.py LINES.jsonl [DOCUMENT.md …]

The table is printed. Documents have what stands between their marks `bench:begin` and `bench:end`
replaced by it; one whose name ends in `.zh-CN.md` gets it in Chinese.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARKED = re.compile(r"(<!-- bench:begin -->\n).*?(<!-- bench:end -->)", re.DOTALL)
HEADS = {
    "en": ("what", "median", "spread", "n", "target", "met"),
    "zh-CN": ("项目", "中位数", "范围", "次数", "目标", "达到"),
}
WORDS = {
    "en": {"yes": "yes", "no": "no", "none": "not measured"},
    "zh-CN": {"yes": "是", "no": "否", "none": "未测"},
}


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table: the `row` its lines carry, and the value to reach.

    Where several lines answer a row (`predict.pipeline.torch_bf16`, `….onnx_int8`), the best one
    counts and is named. `is_ceiling` turns "at least" into "at most".
    """

    row: str
    what: str
    chinese: str
    value: float
    is_ceiling: bool = False

    def is_met(self, value: float) -> bool:
        """Tell whether a measured value reaches the target."""
        return value <= self.value if self.is_ceiling else value >= self.value

    def best(self, lines: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
        """Return the best of the lines that answer this row; None where none does."""
        own = [
            line
            for line in lines
            if line.get("row") == self.row or str(line.get("row", "")).startswith(f"{self.row}.")
        ]
        choose = min if self.is_ceiling else max
        return choose(own, key=lambda line: line["value"], default=None)


def _tuning_targets(data: str) -> list[Target]:
    name = data.upper()
    return [
        Target(
            f"tuning.{data}.trainer",
            f"tuning {name}, real tokens/s, against Trainer's defaults",
            f"微调 {name}，真实 token/秒，对比 Trainer 默认设置",
            3.5,
        ),
        Target(
            f"tuning.{data}.best",
            f"tuning {name}, against Trainer at its best",
            f"微调 {name}，对比 Trainer 最佳设置",
            1.5,
        ),
        Target(
            f"tuning.{data}.padded",
            f"tuning {name}, against the loop that pads to 128",
            f"微调 {name}，对比补齐到 128 的普通循环",
            8.0,
        ),
        Target(
            f"tuning.{data}.to_score",
            f"{name}, wall time to Trainer's final test score",
            f"{name}，达到 Trainer 最终测试成绩的时间",
            4.0,
        ),
    ]


TARGETS = (
    *_tuning_targets("wnut17"),
    *_tuning_targets("banking77"),
    Target(
        "pretraining.mlm.trainer",
        "pretraining on masked text, tokens/s, against Trainer's defaults",
        "遮词预训练，token/秒，对比 Trainer 默认设置",
        1.5,
    ),
    Target(
        "limit.tuning",
        "share of the machine's limit while tuning",
        "微调达到机器极限的比例",
        0.7,
    ),
    Target(
        "predict.pipeline",
        "predict 2,000 sentences, against pipeline",
        "预测 2,000 句，对比 pipeline 默认设置",
        8.0,
    ),
    Target(
        "predict.batch_32",
        "predict 2,000 sentences, against pipeline, batch_size=32",
        "预测 2,000 句，对比 pipeline，batch_size=32",
        5.0,
    ),
    Target(
        "latency.onnx_int8",
        "one sentence, p50, int8 against pipeline",
        "单句延迟 p50，int8 对比 pipeline",
        4.0,
    ),
    Target(
        "size.onnx_int8", "int8 size / fp32 size", "int8 体积 / fp32 体积", 0.3, is_ceiling=True
    ),
    Target(
        "startup.pipeline",
        "import to first prediction, time / pipeline's",
        "从导入到第一次预测，用时 / pipeline 用时",
        0.7,
        is_ceiling=True,
    ),
)


def table(lines: Sequence[dict[str, Any]], *, language: str = "en") -> str:
    """Return the targets with what was measured, as a Markdown table; unmeasured rows say so."""
    rows = [HEADS[language], ("---",) * len(HEADS[language])]
    rows += [_row(target, target.best(lines), language=language) for target in TARGETS]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def fill(document: str, text: str) -> str:
    """Return a document with `text` between its marks. Raises `ValueError` where it has none."""
    if not MARKED.search(document):
        raise ValueError("a document must have the marks bench:begin and bench:end; it has none")
    return MARKED.sub(lambda found: f"{found[1]}{text}{found[2]}", document)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON lines of a file; whatever else was printed between them is left out."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def main() -> None:
    """Print the table and put it into the documents named."""
    if len(sys.argv) < 2:  # noqa: PLR2004
        sys.exit(__doc__)
    lines = read_lines(Path(sys.argv[1]))
    print(table(lines))
    for path in map(Path, sys.argv[2:]):
        language = "zh-CN" if path.name.endswith(".zh-CN.md") else "en"
        document = path.read_text(encoding="utf-8")
        path.write_text(fill(document, table(lines, language=language)), encoding="utf-8")


def _row(target: Target, line: dict[str, Any] | None, *, language: str) -> tuple[str, ...]:
    words = WORDS[language]
    what = target.what if language == "en" else target.chinese
    goal = f"{'≤' if target.is_ceiling else '≥'} {target.value:g}"
    if line is None:
        return (what, words["none"], "", "", goal, "")
    form = line["row"].removeprefix(target.row).removeprefix(".")
    low, high = line.get("low"), line.get("high")
    return (
        f"{what} ({form})" if form else what,
        f"{line['value']:.2f}",
        ""
        if low is None
        else f"{low:.2f} to {high:.2f}"
        if language == "en"
        else f"{low:.2f}～{high:.2f}",
        str(line.get("count", "")),
        goal,
        words["yes" if target.is_met(line["value"]) else "no"],
    )


if __name__ == "__main__":
    main()
