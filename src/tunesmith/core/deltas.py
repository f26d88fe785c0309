"""Methods that leave the backbone as it is and learn a small difference to it, its delta.

They hold settings only. `learning_rate` of each is what the backbone's part of the recipe uses
where the user gave none: the fewer weights move, the further each must. `ranges` is what a search
tries where it names no range: from a fifth to four times that rate, and what sizes the delta.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from tunesmith.core.prompting import LabelWords, PromptLanguage
from tunesmith.core.spec import Part

Targets = Literal["all", "attention"]
Ranges: TypeAlias = Mapping[str, Any]
"""Ranges by the paths of settings, as a search reads them."""

EPOCHS: Ranges = {"training.epochs": "2..8"}


class Lora(Part):
    """Two thin matrices beside each linear layer, whose product is added to its weight.

    Source: Hu et al. 2022 (LoRA), eq. 3; Kalajdzievski 2023 (rsLoRA); Liu et al. 2024 (DoRA), eq.
    5.
    """

    name: Literal["lora"] = "lora"
    """The method's name."""

    rank: int = Field(8, ge=1)
    """Rank of the product: how many directions each layer may change in."""

    alpha: float = Field(16.0, gt=0)
    """The product is multiplied by alpha / rank."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout ratio of what the thin matrices read; above 0 costs the packed layers on a CPU."""

    targets: Targets = "all"
    """Which linear layers: all, or those of the attention alone."""

    rslora: bool = False
    """Multiply by alpha / sqrt(rank) instead, so that high ranks learn as fast as low ones."""

    dora: bool = False
    """Learn length and direction of each weight row apart."""

    learning_rate: ClassVar[float] = 1e-3
    ranges: ClassVar[Ranges] = {
        "training.learning_rate": "2e-4..4e-3",
        **EPOCHS,
        "method.rank": [4, 8, 16, 32],
    }


class AdaLora(Part):
    """Low-rank products whose ranks move to where they matter most.

    Source: Zhang et al. 2023 (AdaLoRA), eq. 3 and §3.2.
    """

    name: Literal["adalora"] = "adalora"
    """The method's name."""

    initial_rank: int = Field(12, ge=1)
    """Rank of every layer while training begins."""

    rank: int = Field(8, ge=1)
    """Mean rank of a layer at the end."""

    alpha: float = Field(32.0, gt=0)
    """The product is multiplied by alpha / rank."""

    targets: Targets = "all"
    """Which linear layers: all, or those of the attention alone."""

    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps before the ranks begin to fall."""

    settling: float = Field(0.3, ge=0, lt=1)
    """Share of the steps, at the end, in which the ranks stay."""

    orthogonality: float = Field(0.1, ge=0)
    """Weight of the loss that keeps the directions at right angles."""

    learning_rate: ClassVar[float] = 2e-3
    ranges: ClassVar[Ranges] = {"training.learning_rate": "4e-4..8e-3", **EPOCHS}


class Ia3(Part):
    """One factor for each key, value and inner feed-forward unit (Liu et al. 2022, §3.3)."""

    name: Literal["ia3"] = "ia3"
    """The method's name."""

    learning_rate: ClassVar[float] = 1e-2
    ranges: ClassVar[Ranges] = {"training.learning_rate": "2e-3..4e-2", **EPOCHS}


class BitFit(Part):
    """The biases alone are trained (Ben Zaken et al. 2022)."""

    name: Literal["bitfit"] = "bitfit"
    """The method's name."""

    learning_rate: ClassVar[float] = 2e-3
    ranges: ClassVar[Ranges] = {"training.learning_rate": "4e-4..8e-3", **EPOCHS}


class Freeze(Part):
    """The lower layers stay as they are, and what is above them is trained.

    States below are computed once and kept, where the architecture can be entered above a layer.
    """

    name: Literal["freeze"] = "freeze"
    """The method's name."""

    layers: int | None = Field(None, ge=1)
    """Lowest layers that are not trained, embeddings included; none takes half of them."""

    learning_rate: ClassVar[float] = 1e-4
    ranges: ClassVar[Ranges] = {"training.learning_rate": "2e-5..4e-4", **EPOCHS}


class Adapter(Part):
    """A bottleneck behind each layer: down, GELU, up, added to what it read.

    Source: Houlsby et al. 2019, §2; one a layer, as Pfeiffer et al. 2021.
    """

    name: Literal["adapter"] = "adapter"
    """The method's name."""

    size: int = Field(32, ge=1)
    """Width of the bottleneck."""

    learning_rate: ClassVar[float] = 1e-3
    ranges: ClassVar[Ranges] = {
        "training.learning_rate": "2e-4..4e-3",
        **EPOCHS,
        "method.size": [16, 32, 64],
    }


class Prefix(Part):
    """Learned keys and values that every layer's attention sees before the text.

    Source: Li & Liang 2021 (prefix tuning); for encoders Liu et al. 2022 (P-tuning v2).
    """

    name: Literal["prefix"] = "prefix"
    """The method's name."""

    tokens: int = Field(16, ge=1)
    """Learned places before the text."""

    learning_rate: ClassVar[float] = 1e-2
    ranges: ClassVar[Ranges] = {
        "training.learning_rate": "2e-3..4e-2",
        **EPOCHS,
        "method.tokens": [8, 16, 32],
    }


class SoftPrompt(Part):
    """Learned embeddings before the text: a prompt that no vocabulary can spell.

    Source: Lester et al. 2021 (prompt tuning).
    """

    name: Literal["soft-prompt"] = "soft-prompt"
    """The method's name."""

    tokens: int = Field(20, ge=1)
    """Learned embeddings before the text."""

    initial_text: str = ""
    """Text whose embeddings they begin at; none takes random tokens of the vocabulary."""

    head: Literal["linear", "words"] = "linear"
    """What tells the labels apart: a linear layer that is learned too, or how probable the model
    finds the words of each label (words; `classification` by a model that guesses words)."""

    words: LabelWords = Field(default_factory=dict)
    """Words for a label, where its name says too little: by label, several joined by `|`."""

    template: str | None = None
    """Text with named slots, such as `{text}`, and `{label}` where the answer stands (vectors: `{}`
    will do); none takes our own."""

    template_language: PromptLanguage = "auto"
    """Language of our own templates; auto looks at the training rows."""

    learning_rate: ClassVar[float] = 3e-2
    ranges: ClassVar[Ranges] = {
        "training.learning_rate": "6e-3..0.12",
        **EPOCHS,
        "method.tokens": [10, 20, 40],
    }


class PTuning(Part):
    """Learned embeddings before the text, made by a small network while they are trained.

    Source: Liu et al. 2021 (P-tuning), §3.2; the network is a perceptron, as in Li & Liang 2021.
    """

    name: Literal["p-tuning"] = "p-tuning"
    """The method's name."""

    tokens: int = Field(20, ge=1)
    """Learned embeddings before the text."""

    width: int = Field(128, ge=1)
    """Inner width of the network; it is thrown away in the end."""

    learning_rate: ClassVar[float] = 5e-3
    ranges: ClassVar[Ranges] = {
        "training.learning_rate": "1e-3..2e-2",
        **EPOCHS,
        "method.tokens": [10, 20, 40],
    }


DeltaMethod: TypeAlias = (
    Lora | AdaLora | Ia3 | BitFit | Freeze | Adapter | Prefix | SoftPrompt | PTuning
)
