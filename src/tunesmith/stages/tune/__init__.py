"""Tuning: the only place that matches a method to the code that carries it out."""

from __future__ import annotations

from dataclasses import replace

from tunesmith.core.deltas import Freeze, SoftPrompt
from tunesmith.core.methods import Contrastive, Extractive, Full, Method, Probe, ZeroShot
from tunesmith.stages.tune.contrastive import fit_contrastive
from tunesmith.stages.tune.decision import settle
from tunesmith.stages.tune.extractive import fit_extractive
from tunesmith.stages.tune.frozen import encoder_layers
from tunesmith.stages.tune.full import fit_full
from tunesmith.stages.tune.job import Fitted, Job, selection_score
from tunesmith.stages.tune.probe import fit_probe
from tunesmith.stages.tune.recommender import fit_recommender, ranked_score
from tunesmith.stages.tune.reliability import ValidRows, learn_reliability
from tunesmith.stages.tune.zero_shot import fit_zero_shot


def fit_method(job: Job, method: Method) -> Fitted:
    """Tune `job.model` in place by `method` and return how it went."""
    if job.task.head == "recommend":
        return fit_recommender(job, method)
    match method:
        case Full():
            fitted = fit_full(job, method)
        case Probe():
            fitted = fit_probe(job, method)
        case Extractive():
            fitted = fit_extractive(job, method)
        case ZeroShot():
            fitted = fit_zero_shot(job, method)
        case SoftPrompt(head="words"):
            fitted = fit_full(job, Full(head_start="random"))
        case Contrastive():
            fitted = fit_contrastive(job, method)
        case Freeze():
            fitted = fit_full(_frozen(job, method), Full())
        case _:
            fitted = fit_full(job, Full())
    return conclude(job, fitted)


def tuned_score(job: Job) -> float:
    """Return the task's selection measure of a tuned model on the validation rows.

    Of every task more is better: where losses are meant, they are log-probabilities.
    """
    if job.task.head == "recommend":
        return ranked_score(job, job.valid.examples)
    return selection_score(job)


def conclude(job: Job, fitted: Fitted) -> Fitted:
    """Return `fitted` with what the validation rows still teach: decisions, and what scores mean.

    A task that was learned beside another ends in the same way.
    """
    if fitted.task is None:
        valid = ValidRows(job)
        shift = settle(job, fitted, valid.scores)
        fitted.learned = learn_reliability(job, fitted, valid, shift=shift)
    return fitted


def _frozen(job: Job, method: Freeze) -> Job:
    """Return a job whose lower layers are frozen: as many as the method says, else half."""
    layers = method.layers or len(encoder_layers(job.model.encoder)) // 2
    return replace(job, recipe=job.recipe.model_copy(update={"freeze_layers": layers}))
