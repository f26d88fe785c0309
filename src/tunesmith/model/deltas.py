"""Deltas: what a method learns beside a backbone, put in, taken out and written down.

`attach` freezes the backbone and adds what is learned; `merge` puts that into the weights where the
mathematics allows. The head, which the backbone did not bring, is always trained and always part of
the delta.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tunesmith.core.deltas import (
    AdaLora,
    Adapter,
    BitFit,
    DeltaMethod,
    Freeze,
    Ia3,
    Lora,
    Prefix,
    PTuning,
    SoftPrompt,
)
from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.methods import DELTAS
from tunesmith.model.heads import HeadModel, head_parameters
from tunesmith.model.heads.generate import Writer

CONFIG, WEIGHTS, HEAD = "delta.json", "delta.safetensors", "head.safetensors"
IN_PEFT_FORMAT = frozenset({"lora", "adalora", "ia3"})
BESIDE: dict[str, Any] = {"adapter": Adapter, "prefix": Prefix}
"""Methods whose delta is no other weight of the backbone, so that it cannot be merged."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What a method is learning beside a backbone.

    `head` names the parameters that the backbone did not bring; `parameters` counts those it did.
    `tuner` moves AdaLoRA's ranks.
    """

    method: DeltaMethod
    head: tuple[str, ...]
    parameters: int
    tuner: Any = None


def root_of(model: Any) -> Any:
    """Return the transformers model that a delta belongs to: with its output layer if it writes."""
    return model.whole if isinstance(model, Writer) else model.encoder


def attach(model: HeadModel, method: DeltaMethod) -> Delta:
    """Freeze the backbone of `model` and let `method` learn beside it; return what is trained.

    Raises `SpecError` where the architecture does not allow it.
    """
    network: Any = model
    root = root_of(model)
    own = head_parameters(model)
    backbone = sum(weight.numel() for weight in root.parameters())
    head = tuple(
        name
        for name, weight in network.named_parameters()
        if id(weight) in own or ".pooler." in name
    )
    tuner = _begin(network, root, method)
    for name, weight in network.named_parameters():
        if name in head:
            weight.requires_grad_(True)
    delta = Delta(method, head, backbone, tuner)
    if not learned_beside(model, delta):
        raise SpecError(
            f"the method `{method.name}` must find something to train; a "
            f"{root.config.model_type} has no biases",
            hint="--method lora",
        )
    return delta


def learned_beside(model: HeadModel, delta: Delta) -> dict[str, torch.Tensor]:
    """Return the trained parameters by name, those of the head left out."""
    network: Any = model
    head = set(delta.head)
    return {
        name: weight
        for name, weight in network.named_parameters()
        if weight.requires_grad and name not in head
    }


def merge(model: HeadModel, delta: Delta) -> None:
    """Put what was learned into the model's weights, so that plain transformers computes it."""
    if delta.method.name in IN_PEFT_FORMAT:
        from tunesmith.model import low_rank  # noqa: PLC0415 (imports peft)

        low_rank.merge(root_of(model))
    elif isinstance(delta.method, SoftPrompt | PTuning):
        from tunesmith.model import prompt_tokens  # noqa: PLC0415 (few need it)

        prompt_tokens.merge_prompt(root_of(model))


def lacks_of(model: HeadModel) -> tuple[str, ...]:
    """Return the names of the parts that plain transformers does not load."""
    stands_beside = getattr(model, "beside", None) is not None
    return (*model.lacks, *((f"delta/{WEIGHTS}",) if stands_beside else ()))


def load_delta(model: HeadModel, folder: Path) -> DeltaMethod:
    """Put what `save_delta` wrote beside the backbone of a new model, and return its method.

    No tensor of the model is written to: those that the delta changes are replaced, so that models
    may share the others. Raises `DataError` where the files are not a delta of this model.
    """
    try:
        fields = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        method = DELTAS[fields["method"]["name"]](**fields["method"])
        attach(model, method)
        state = load_file(folder / HEAD) | _read_learned(model, folder, method)
        for name, value in state.items():
            _replace(model, name, value)
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError) as error:
        raise DataError(
            f"a delta must be as it was written, and that of its backbone; {error} ({folder})",
            hint="copy the bundle again from where it was made, or run `tunesmith fit` again",
        ) from error
    return method


def _read_learned(network: Any, folder: Path, method: DeltaMethod) -> dict[str, torch.Tensor]:
    if method.name not in IN_PEFT_FORMAT:
        return load_file(folder / WEIGHTS)
    from tunesmith.model import low_rank  # noqa: PLC0415 (imports peft)

    root = root_of(network)
    path = next(name for name, module in network.named_modules() if module is root)
    return {f"{path}.{name}": weight for name, weight in low_rank.read_peft(folder).items()}


def _replace(network: Any, name: str, value: torch.Tensor) -> None:
    """Put a tensor in the place of a model's parameter of the same shape."""
    known = network.get_parameter(name)
    if known.shape != value.shape:
        raise ValueError(f"{name} is {tuple(value.shape)}, not {tuple(known.shape)}")
    path, _, leaf = name.rpartition(".")
    parent = network.get_submodule(path)
    new = nn.Parameter(value, requires_grad=False)
    if isinstance(parent, nn.ParameterDict):
        parent[leaf] = new
    else:
        setattr(parent, leaf, new)


def save_delta(model: HeadModel, delta: Delta, folder: Path, *, base: str, sha256: str) -> int:
    """Write a delta that is not merged yet into a new folder; return its bytes.

    `base` names the backbone it belongs to, `sha256` says which one that is. LoRA, AdaLoRA and IA3
    are written as peft reads them.
    """
    folder.mkdir()
    network: Any = model
    weights = dict(network.named_parameters())
    save_file({name: _plain(weights[name]) for name in delta.head}, folder / HEAD)
    beside = learned_beside(model, delta)
    if delta.method.name in IN_PEFT_FORMAT:
        from tunesmith.model import low_rank  # noqa: PLC0415 (imports peft)

        low_rank.save_peft(root_of(model), folder, base=base)
    else:
        save_file({name: _plain(weight) for name, weight in beside.items()}, folder / WEIGHTS)
    fields = {
        "method": delta.method.model_dump(mode="json"),
        "backbone": {"name": base, "sha256": sha256},
        "trainable_parameters": sum(weight.numel() for weight in beside.values()),
        "backbone_parameters": delta.parameters,
    }
    (folder / CONFIG).write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    return sum(path.stat().st_size for path in folder.iterdir())


def _plain(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().cpu().contiguous()


def _begin(network: Any, root: Any, method: DeltaMethod) -> Any:
    match method:
        case Lora() | AdaLora() | Ia3():
            from tunesmith.model import low_rank  # noqa: PLC0415 (imports peft)

            tuner = low_rank.inject(root, method)
            root.is_plain = low_rank.has_dropout(root)
            return tuner
        case BitFit():
            for name, weight in root.named_parameters():
                weight.requires_grad_(name.endswith("bias"))
        case Adapter() | Prefix():
            from tunesmith.model import beside  # noqa: PLC0415 (few need it)

            root.requires_grad_(False)
            add = beside.add_bottlenecks if isinstance(method, Adapter) else beside.add_prefixes
            network.beside = add(root, method)  # type: ignore[arg-type]
        case SoftPrompt() | PTuning():
            from tunesmith.model import prompt_tokens  # noqa: PLC0415 (few need it)

            prompt_tokens.learn_prompt(root, method)
        case Freeze():
            pass
    return None
