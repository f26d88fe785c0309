"""Boosters as settings: what switches one on and off, and what a wrong word is told."""

from __future__ import annotations

import pytest

from tunesmith.core.boosters import BoostRecipe, Ema, Fgm, FreeLb, Mixup, Pgd, RDrop, Swa
from tunesmith.core.errors import SpecError
from tunesmith.core.spec import build_spec
from tunesmith.interfaces.flags import settings_from
from tunesmith.operations.fit import FitSpec


def typed(*overrides):
    settings = settings_from(FitSpec, {"data": "x.csv", "task": "ner"}, overrides)
    return build_spec(FitSpec, settings).boost


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), {}),
        (("boost.adversarial=fgm",), {"adversarial": Fgm()}),
        (("boost.adversarial=true",), {"adversarial": Fgm()}),
        (("boost.adversarial.epsilon=0.5",), {"adversarial": Fgm(epsilon=0.5)}),
        (("boost.adversarial=pgd", "boost.adversarial.steps=5"), {"adversarial": Pgd(steps=5)}),
        (
            ("boost.adversarial.steps=4", "boost.adversarial=freelb"),
            {"adversarial": FreeLb(steps=4)},
        ),
        (("boost.adversarial=fgm", "boost.adversarial=false"), {}),
        (("boost.r_drop=true",), {"r_drop": RDrop()}),
        (("boost.r_drop.weight=4",), {"r_drop": RDrop(weight=4)}),
        (("boost.r_drop=true", "boost.r_drop.weight=4"), {"r_drop": RDrop(weight=4)}),
        (("boost.mixup=true", "boost.mixup=null"), {}),
        (("boost.mixup={alpha: 1}",), {"mixup": Mixup(alpha=1)}),
        (("boost.average=true",), {"average": Ema()}),
        (("boost.average=swa", "boost.average.start=0.5"), {"average": Swa(start=0.5)}),
    ],
)
def test_typed_booster_is_the_part_it_stands_for(overrides, expected):
    boost = typed(*overrides)
    assert boost == BoostRecipe(**expected)
    assert set(boost.chosen) == set(expected)


@pytest.mark.parametrize(
    ("override", "said", "hint"),
    [
        ("boost.rdrop=true", "did you mean `boost.r_drop`", "--set boost.r_drop=true"),
        ("boost.adversarial=fgn", "one of 'fgm', 'pgd'", "--set boost.adversarial=fgm"),
        ("boost.adversarial.steps=3", "boost.adversarial: pgd`", "--set boost.adversarial=pgd"),
        ("boost.r_drop=much", "must be true, false or its settings", "--set boost.r_drop=null"),
        ("boost.focal.gamma=-1", "must be at least 0", "--set boost.focal.gamma=2.0"),
        ("boost.average.decay=1", "must be below 1", "--set boost.average.decay=0.99"),
    ],
)
def test_wrong_booster_is_told_what_to_type(override, said, hint):
    with pytest.raises(SpecError, match=said) as caught:
        typed(override)
    assert caught.value.hint == hint


def test_recipe_that_was_shown_is_read_back():
    boost = typed("boost.adversarial=freelb", "boost.average=swa", "boost.r_drop=true")
    assert BoostRecipe(**boost.model_dump(mode="json")) == boost
