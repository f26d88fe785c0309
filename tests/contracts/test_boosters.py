"""What holds of every booster with every family of answers. A new booster is one row here."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache
from itertools import islice

import pytest
import torch

from tunesmith.core.boosters import BoostRecipe
from tunesmith.core.errors import SpecError
from tunesmith.core.methods import DELTAS, METHODS
from tunesmith.core.spec import build_spec
from tunesmith.operations.boosters import SUITED, answer_of, refuse_boosters
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.fitting import make_job
from tunesmith.operations.preparing import prepare_sound
from tunesmith.operations.tokens import Tokens
from tunesmith.session import Session
from tunesmith.stages.tune.boosters.averages import stood_in
from tunesmith.stages.tune.full import _prepare
from tunesmith.stages.tune.loop import train

from .task_rows import ASKED, MODELS, PROMPTS, ROWS, kind_of

BOOSTERS = {
    "fgm": {"adversarial": "fgm"},
    "pgd": {"adversarial": "pgd"},
    "freelb": {"adversarial": "freelb"},
    "r_drop": {"r_drop": True},
    "mixup": {"mixup": {"alpha": 1.0}},
    "focal": {"focal": True},
    "supervised_contrastive": {"supervised_contrastive": True},
    "balanced_sampling": {"balanced_sampling": True},
    "ema": {"average": "ema"},
    "swa": {"average": {"name": "swa", "start": 0.0}},
}
LEFT_OUT = ("recommendation", "summarization", "generation")
TASKS = [task for task in ROWS if kind_of(task) not in LEFT_OUT and task not in ASKED]
TASKS += ["generation causal"]
"""One or two of each family that runs the loop of tuning."""

STEPS = 3
DROPS_NOTHING = "tiny_decoder"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, request):
    """Return, by task, the spec of a tuning without boosters and its prepared rows."""
    kept = {}

    def prepare(task):
        if task not in kept:
            path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
            rows = [ROWS[task](number) for number in range(60)]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
            values = {
                "data": str(path),
                "task": kind_of(task),
                "model": {"name": str(request.getfixturevalue(MODELS.get(task, "tiny_model")))},
                "training": {"batch_tokens": 128, "max_steps": STEPS, "learning_rate": 1e-3},
                "out": str(path.parent / "run"),
            }
            session = Session()
            spec = build_spec(FitSpec, values)
            kept[task] = spec, session, prepare_sound(spec, session, tokens=Tokens(session.emit))
        return kept[task]

    return prepare


def trained(prepared, boost, *, method="full"):
    """Return losses and weights of a few steps, those that stand in for the trained ones."""
    spec, session, rows = prepared
    writes = rows.task.head == "generate"
    rows = replace(rows, backbone=session.backbone(spec.model.name, writes=writes))
    torch.manual_seed(0)
    spec = spec.model_copy(update={"boost": BoostRecipe(**boost), "method": METHODS[method]()})
    refuse_boosters(spec, rows.task)
    job = make_job(spec, session, rows, "fp32")
    before = hooks_of(job.model)
    with ExitStack() as hooks:
        tuning = _prepare(job, job.model, hooks)
        losses = [step.loss for step in islice(train(tuning), STEPS)]
        with stood_in(tuning.average):
            weights = {
                name: weight.detach().clone() for name, weight in job.model.state_dict().items()
            }
    assert hooks_of(job.model) == before
    return losses, weights


def hooks_of(model):
    """Return how many hooks stand on a model's modules."""
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()
    )


@pytest.fixture(scope="module")
def plainly(prepared):
    """Return, by task, losses and weights without a booster."""
    return lru_cache(lambda task: trained(prepared(task), {}))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("booster", BOOSTERS)
def test_booster_changes_what_is_trained_or_is_refused(prepared, plainly, task, booster):
    boost, ready = BOOSTERS[booster], prepared(task)
    if answer_of(ready[2].task) not in SUITED[next(iter(boost))]:
        with pytest.raises(SpecError, match=kind_of(task)):
            trained(ready, boost)
        return
    if booster == "r_drop" and MODELS.get(task) == DROPS_NOTHING:
        with pytest.raises(SpecError, match="this model has none"):
            trained(ready, boost)
        return
    plain_losses, plain = plainly(task)
    losses, weights = trained(ready, boost)
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    assert any(not torch.equal(weight, plain[name]) for name, weight in weights.items())
    assert (losses == plain_losses) == ("average" in boost)


@pytest.mark.parametrize("method", [name for name in DELTAS if name not in ("freeze", *PROMPTS)])
def test_all_boosters_together_train_a_delta(prepared, method):
    together = {
        "adversarial": "freelb",
        "r_drop": True,
        "mixup": True,
        "focal": True,
        "supervised_contrastive": True,
        "balanced_sampling": True,
    }
    if method != "adalora":
        together["average"] = "ema"
    ready = prepared("classification")
    losses, weights = trained(ready, together, method=method)
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    assert losses != trained(ready, {}, method=method)[0]
