"""Several tuned models on one backbone in memory: each costs no more than its delta."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tunesmith.core.errors import DataError
from tunesmith.core.methods import DELTAS
from tunesmith.core.recipe import ModelRecipe
from tunesmith.model.backbones import Backbone, load_backbone, load_tokenizer
from tunesmith.model.deltas import CONFIG, load_delta, root_of
from tunesmith.model.heads import new_head
from tunesmith.model.prompt_tokens import with_room
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.loading import read_decoding, read_reading
from tunesmith.runtime.reliability import read_reliability
from tunesmith.store.bundles import Bundle, read_bundle


def load_deltas(
    bundles: Mapping[str, Bundle | Path | str], *, backbone: str | None = None
) -> dict[str, Engine]:
    """Return an engine for each bundle, by name; all share the weights of one backbone.

    To switch is to ask another engine: any number of them may answer at a time. `backbone` names
    the model they were learned beside, or is where it stands now; none takes what they name.
    Raises `DataError` where a bundle has no delta, or one that belongs to another backbone.
    """
    read = {
        name: bundle if isinstance(bundle, Bundle) else read_bundle(bundle)
        for name, bundle in bundles.items()
    }
    facts = {name: _facts(bundle) for name, bundle in read.items()}
    engines: dict[str, Engine] = {}
    loaded: dict[bool, Backbone] = {}
    for name, bundle in read.items():
        writes = bundle.task.head == "generate"
        if writes not in loaded:
            known = backbone or facts[name]["backbone"]["name"]
            loaded[writes] = load_backbone(known, writes=writes)
        _require_same(loaded[writes], facts[name], bundle)
        engines[name] = _engine(loaded[writes], bundle, facts[name])
    return engines


def _engine(backbone: Backbone, bundle: Bundle, facts: Mapping[str, Any]) -> Engine:
    shared = itertools.chain(backbone.model.parameters(), backbone.model.buffers())
    own = copy.deepcopy(backbone.model, {id(tensor): tensor for tensor in shared})
    beside = replace(backbone, model=own, tokenizer=load_tokenizer(bundle.model_folder))
    method = DELTAS[facts["method"]["name"]](**facts["method"])
    beside = with_room(beside, method)
    reading = read_reading(bundle)
    model = new_head(
        bundle.task.head,
        beside,
        outputs=len(bundle.task.outputs()),
        recipe=ModelRecipe(pooling=bundle.manifest["pooling"]),
        case_shape=reading.case_shape,
    )
    _share(backbone.model, root_of(model))
    load_delta(model, bundle.path / "delta")
    network: Any = model
    return Engine(
        network.eval(),
        beside.tokenizer,
        bundle.task,
        reading,
        torch.device("cpu"),
        decoding=read_decoding(bundle),
        reliability=read_reliability(bundle),
    )


def _share(source: Any, target: Any) -> None:
    """Let `target` compute with the very parameters of `source`, where it has the same ones."""
    known = dict(source.named_parameters())
    for name, weight in list(target.named_parameters()):
        if name in known and known[name].shape == weight.shape:
            path, _, leaf = name.rpartition(".")
            setattr(target.get_submodule(path), leaf, known[name])


def _facts(bundle: Bundle) -> dict[str, Any]:
    if bundle.manifest["pooling"] == "words":
        raise DataError(
            f"a delta must have a head to share a backbone; {bundle.path} answers in words",
            hint="tunesmith predict answers by it alone",
        )
    try:
        return json.loads((bundle.path / "delta" / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"a bundle must have a delta to share a backbone; {bundle.path} was tuned by "
            f"`{bundle.manifest['method']['name']}`",
            hint="tunesmith fit … --method lora",
        ) from error


def _require_same(backbone: Backbone, facts: Mapping[str, Any], bundle: Bundle) -> None:
    wanted, found = facts["backbone"]["sha256"], backbone.card.sha256
    if wanted != found:
        raise DataError(
            f"a delta must stand beside the backbone it was learned beside: {bundle.path} beside "
            f"`{facts['backbone']['name']}`, sha256 {wanted[:12]}; `{backbone.card.name}` has "
            f"{found[:12]}",
            hint=f"take --model {facts['backbone']['name']}",
        )
