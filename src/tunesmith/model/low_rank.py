"""LoRA, AdaLoRA and IA3: peft's layers around the backbone's own, and the way back.

What peft adds is put into a model, read as the weight it amounts to, merged, and written in peft's
own format; nothing is trained here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import AdaLoraConfig, AdaLoraModel, IA3Config, LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict
from peft.utils.constants import (
    TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING,
    TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
)
from safetensors.torch import load_file, save_file
from torch import nn

from tunesmith.core.deltas import AdaLora, Ia3, Lora
from tunesmith.core.errors import SpecError

NAME = "default"
"""What peft calls the one delta of a model, and looks for where none is named."""

PREFIX = "base_model.model."
"""What stands before every name in peft's files."""

_LEARNED = re.compile(r"\.(lora_[ABE]|lora_magnitude_vector|ia3_l|ranknum)(?=\.|$)")

ATTENTION_NAMES = (
    *("query", "key", "value", "q_proj", "k_proj", "v_proj", "o_proj", "out_proj"),
    *("q_lin", "k_lin", "v_lin", "out_lin", "query_proj", "key_proj", "value_proj"),
    *("c_attn", "q", "k", "v", "o", "Wqkv", "attention.output.dense", "attn.c_proj", "attn.Wo"),
)
"""How architectures call the linear layers of their attention."""


def inject(root: Any, method: Lora | AdaLora | Ia3) -> AdaLoraModel | None:
    """Put peft's layers around the linear layers of a transformers model, all else frozen.

    For AdaLoRA what moves its ranks is returned; `set_steps` must be called with it. Raises
    `SpecError` where the architecture has no layers of the kind asked for.
    """
    try:
        if isinstance(method, AdaLora):
            return AdaLoraModel(root, {NAME: _adalora_config(root, method)}, NAME)
        inject_adapter_in_model(_config(root, method), root, adapter_name=NAME)
    except ValueError as error:
        raise SpecError(
            f"the method `{method.name}` must find its layers in a {root.config.model_type}; "
            f"{str(error).splitlines()[0]}",
            hint="--method full",
        ) from error
    return None


def set_steps(tuner: AdaLoraModel, method: AdaLora, steps: int) -> None:
    """Tell AdaLoRA how many steps there are: ranks fall between its warm-up and its settling."""
    config: Any = tuner.peft_config[NAME]
    config.total_step = steps
    config.tinit = int(method.warmup * steps)
    config.tfinal = min(int(method.settling * steps), max(0, steps - config.tinit - 1))
    tuner.rankallocator.set_total_step(steps)


def orthogonality(root: nn.Module) -> torch.Tensor:
    """Return the mean Frobenius distance of AdaLoRA's P^T P and Q Q^T from the identity (eq. 4)."""
    distances = [
        torch.linalg.matrix_norm(square - torch.eye(len(square), device=square.device))
        for layer in _layers(root)
        for square in (
            layer.lora_A[NAME] @ layer.lora_A[NAME].T,
            layer.lora_B[NAME].T @ layer.lora_B[NAME],
        )
    ]
    return torch.stack(distances).mean()


def effective(layer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight (out, in) and bias (out,) that one of peft's linear layers amounts to.

    Gradients flow into what is learned. Dropout of what the thin matrices read is not in them.
    """
    base = layer.get_base_layer()
    weight, bias = base.weight, base.bias
    if layer.merged:
        return weight, bias
    if hasattr(layer, "ia3_l"):
        factor = layer.ia3_l[NAME]
        return weight * factor, bias if layer.is_feedforward else bias * factor.flatten()
    moved = weight + layer.get_delta_weight(NAME)
    if getattr(layer, "use_dora", {}).get(NAME):
        lengths = torch.linalg.vector_norm(moved, dim=1).detach()
        moved = moved * (layer.lora_magnitude_vector[NAME].weight / lengths)[:, None]
    return moved, bias


def merge(root: nn.Module) -> None:
    """Add what was learned to the weights, and take peft's layers out again."""
    for path, layer in list(_named_layers(root)):
        layer.merge(safe_merge=True)
        parent, _, name = path.rpartition(".")
        setattr(root.get_submodule(parent), name, layer.get_base_layer())
    if hasattr(root, "peft_config"):
        del root.peft_config


def save_peft(root: Any, folder: Path, *, base: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors as `PeftModel` loads them.

    `base` names the model they belong to.
    """
    config = root.peft_config[NAME]
    config.base_model_name_or_path, config.inference_mode = base, True
    if isinstance(config, AdaLoraConfig):
        config.rank_pattern = None  # directions without weight are written too, as zeros
        state = {
            name.replace(f".{NAME}", ""): weight
            for name, weight in root.named_parameters()
            if ".lora_" in name or ".ranknum" in name
        }
    else:
        state = get_peft_model_state_dict(root, adapter_name=NAME)
    named = {
        f"{PREFIX}{name}": weight.detach().cpu().contiguous() for name, weight in state.items()
    }
    config.save_pretrained(str(folder))
    save_file(named, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def read_peft(folder: Path) -> dict[str, torch.Tensor]:
    """Return what `save_peft` wrote, by the names that its tensors have in a model.

    Raises what safetensors raises where the file is damaged.
    """
    state = load_file(folder / "adapter_model.safetensors")
    named = {}
    for name, weight in state.items():
        path = _LEARNED.sub(rf".\1.{NAME}", name.removeprefix(PREFIX))
        named[f"{path}.weight" if path.endswith(f"vector.{NAME}") else path] = weight
    return named


def has_dropout(root: nn.Module) -> bool:
    """Tell whether the thin matrices read through a dropout."""
    drops = (getattr(layer, "lora_dropout", {}) for layer in _layers(root))
    return any(isinstance(drop, nn.Dropout) for own in drops for drop in own.values())


def _config(root: Any, method: Lora | Ia3) -> LoraConfig | IA3Config:
    if isinstance(method, Ia3):
        kind = root.config.model_type
        known = {"xlm-roberta": "roberta", "camembert": "roberta"}.get(kind, kind)
        targets = TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING.get(known)
        if targets is None:
            raise ValueError(f"peft knows no IA3 layers for {kind}")
        inner = TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING.get(known, [])
        return IA3Config(target_modules=targets, feedforward_modules=inner)
    return LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,  # type: ignore[arg-type]
        lora_dropout=method.dropout,
        use_rslora=method.rslora,
        use_dora=method.dora,
        target_modules=_targets(root, method.targets),
    )


def _adalora_config(root: Any, method: AdaLora) -> AdaLoraConfig:
    return AdaLoraConfig(
        init_r=method.initial_rank,
        target_r=method.rank,
        lora_alpha=method.alpha,  # type: ignore[arg-type]
        total_step=1_000_000,
        tinit=0,
        tfinal=0,
        deltaT=1,
        orth_reg_weight=0.0,
        target_modules=_targets(root, method.targets),
    )


def _targets(root: nn.Module, wanted: str) -> list[str]:
    """Return the paths of the linear layers, those of a head, an output or a pooler left out."""
    output = getattr(root, "get_output_embeddings", lambda: None)()
    found = [
        path
        for path, module in root.named_modules()
        if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
        if module is not output and not path.startswith(("pooler", "qa_outputs"))
        if wanted == "all" or path.endswith(tuple(f".{name}" for name in ATTENTION_NAMES))
    ]
    if not found:
        raise ValueError("it has no such linear layers")
    return found


def _named_layers(root: nn.Module) -> Iterator[tuple[str, Any]]:
    for path, module in root.named_modules():
        if isinstance(module, BaseTunerLayer):
            yield path, module


def _layers(root: nn.Module) -> list[Any]:
    return [layer for _, layer in _named_layers(root)]
