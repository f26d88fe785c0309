"""Our relation scores against the scorer of SemEval-2010 task 8, where data and perl are there.

The scorer prints percentages with two decimals, so the tolerance is half of the last one.
"""

import re
import shutil
import subprocess

import numpy as np
import pytest

from tunesmith.measure.relations import relation_rows, relation_statistics

PRINTED = 0.00505 / 100
MICRO = re.compile(
    r"Micro-averaged result \(excluding Other\):\n"
    r".*?= +([\d.]+)% +R =.*?= +([\d.]+)% +F1 = +([\d.]+)%"
)
MACRO = re.compile(r"MACRO-averaged result.*\n.*F1 = +([\d.]+)%")


@pytest.fixture(scope="module")
def scorer(real_data):
    """Return the folder of the published scorer."""
    folder = real_data / "semeval2010_task8" / "SemEval2010_task8_scorer-v1.2"
    if not folder.is_dir() or shutil.which("perl") is None:
        pytest.skip("the published scorer or perl is not there")
    return folder


def published(scorer, proposed, key):
    """Return what the scorer prints for its third, official evaluation."""
    command = ["perl", scorer / "semeval2010_task8_scorer-v1.2.pl", proposed, key]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    official = printed.partition("-- OFFICIAL")[2]
    precision, recall, f1 = MICRO.search(official).groups()
    values = {
        "macro_f1": MACRO.search(official).group(1),
        "micro_f1": f1,
        "micro_precision": precision,
        "micro_recall": recall,
    }
    return {name: float(value) / 100 for name, value in values.items()}


def ours(proposed, key):
    """Return our values of the same two files; rows without an answer have an empty one."""
    given, gold = (
        dict(line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
        for path in (proposed, key)
    )
    rows = relation_rows(list(gold.values()), [given.get(row, "") for row in gold])
    values = relation_statistics(rows)(np.ones(len(gold)))
    del values["accuracy"]
    return values


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_scores_equal_the_published_examples(scorer, number):
    files = scorer / f"proposed_answer{number}.txt", scorer / f"answer_key{number}.txt"
    assert ours(*files) == pytest.approx(published(scorer, *files), abs=PRINTED)


@pytest.mark.parametrize(("rows", "kinds"), [(12, 5), (60, 19), (900, 19)])
def test_scores_of_drawn_answers_equal_the_scorer(scorer, tmp_path, rows, kinds):
    key = (scorer / "answer_key2.txt").read_text(encoding="utf-8").split("\n")
    labels = sorted({line.split("\t")[1].strip() for line in key if line})
    assert len(labels) == 19
    generator = np.random.default_rng(rows)
    gold = generator.integers(kinds, size=rows)
    predicted = np.where(generator.random(rows) < 0.5, gold, generator.integers(19, size=rows))
    skipped = generator.random(rows) < 0.1
    (tmp_path / "key").write_text("".join(f"{n}\t{labels[g]}\n" for n, g in enumerate(gold)))
    (tmp_path / "given").write_text(
        "".join(f"{n}\t{labels[p]}\n" for n, p in enumerate(predicted) if not skipped[n])
    )
    files = tmp_path / "given", tmp_path / "key"
    assert ours(*files) == pytest.approx(published(scorer, *files), abs=PRINTED)
