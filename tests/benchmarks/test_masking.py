"""What the hand-made set says of the masking, and that the documents say the same."""

from __future__ import annotations

import pytest

from tunesmith.core.masking import PATTERNED


@pytest.fixture
def masking(load_benchmark):
    return load_benchmark("masking")


def test_set_has_rows_of_each_kind_with_and_without_it(masking):
    rows = [row for part in masking.PARTS for row in masking.read_part(part)]
    assert len({row.text for row in rows}) > 0.97 * len(rows)
    for kind in PATTERNED:
        own = [row for row in rows if row.kind == kind]
        marked = sum(bool(row.spans) for row in own)
        assert marked >= 60
        assert len(own) - marked >= 60
        assert sum(not row.text.isascii() for row in own) >= 60


def test_parts_of_the_set_share_no_text(masking):
    first, last = ({row.text for row in masking.read_part(part)} for part in masking.PARTS)
    assert not first & last


@pytest.mark.parametrize("part", ["development", "held_out"])
def test_precision_and_recall_of_each_kind_reach_what_is_asked(masking, part):
    outcomes = list(masking.measure(masking.read_part(part)))
    assert [outcome.kind for outcome in outcomes] == list(PATTERNED)
    low = {o.kind for o in outcomes if min(o.precision, o.recall) < 0.95}
    assert low == set()


@pytest.mark.parametrize("page", ["security.md", "security.zh-CN.md"])
def test_table_of_the_documents_is_the_measured_one(masking, repository, page):
    text = (repository / "docs" / page).read_text(encoding="utf-8")
    rows = [line for line in masking.table().splitlines() if line.startswith("| `")]
    assert len(rows) == len(PATTERNED)
    assert [row for row in rows if row not in text] == []
