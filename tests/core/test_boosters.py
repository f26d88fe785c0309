"""Boosters as settings: what switches one on and off, and what a wrong word is told."""

from __future__ import annotations

import re

import pytest

from tunesmith.core.boosters import (
    SETTING_OF,
    BoostRecipe,
    Ema,
    Fgm,
    Focal,
    FreeLb,
    Mixup,
    Pgd,
    RDrop,
    Swa,
)
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


@pytest.mark.parametrize(
    ("flag", "overrides", "expected"),
    [
        ("fgm", (), {"adversarial": Fgm()}),
        ("r_drop, swa", (), {"r_drop": RDrop(), "average": Swa()}),
        ("r_drop", ("boost.r_drop.weight=4",), {"r_drop": RDrop(weight=4)}),
        (
            "pgd,focal",
            ("boost.adversarial.steps=5",),
            {"adversarial": Pgd(steps=5), "focal": Focal()},
        ),
        ("fgm,r_drop", ("boost.r_drop=false", "boost.adversarial=false"), {}),
        (
            "fgm,r_drop",
            ("boost.r_drop=true", "boost.adversarial=null"),
            {"r_drop": RDrop(), "adversarial": Fgm()},
        ),
        ("fgm", ("boost.adversarial.epsilon=2",), {"adversarial": Fgm(epsilon=2)}),
        ("fgm", ("boost.average=ema",), {"adversarial": Fgm(), "average": Ema()}),
    ],
)
def test_names_after_the_flag_switch_on_and_leave_room_for_settings(flag, overrides, expected):
    settings = settings_from(FitSpec, {"data": "x", "task": "ner", "boost": flag}, overrides)
    assert build_spec(FitSpec, settings).boost == BoostRecipe(**expected)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("rdrop", "no booster is called rdrop; did you mean r_drop?"),
        ("fgm,xyz", "no booster is called xyz; there are fgm, pgd"),
        ("fgm,pgd", "fgm and pgd exclude each other"),
    ],
)
def test_name_that_is_none_or_excludes_another_is_refused(flag, said):
    with pytest.raises(SpecError, match=re.escape(said)):
        build_spec(FitSpec, {"data": "x", "task": "ner", "boost": flag})


def test_name_beside_another_of_its_kind_is_refused():
    settings = settings_from(
        FitSpec, {"data": "x", "task": "ner", "boost": "fgm"}, ["boost.adversarial=pgd"]
    )
    with pytest.raises(SpecError, match="pgd and fgm exclude each other"):
        build_spec(FitSpec, settings)


def test_help_of_the_flag_names_every_booster():
    description = FitSpec.model_fields["boost"].description
    assert len(SETTING_OF) == 10
    assert all(re.search(rf"\b{name}\b", description) for name in SETTING_OF)
