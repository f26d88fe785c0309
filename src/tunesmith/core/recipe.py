"""The parts of a recipe: model and reading, training, and the rows held out."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from tunesmith.core.errors import SpecError
from tunesmith.core.locations import Location
from tunesmith.core.spec import Part


class ModelRecipe(Part):
    """Which backbone, and how it reads."""

    name: Annotated[str, Location("model")] = "minilm"
    """`minilm` (the packaged all-MiniLM-L6-v2), a local folder, or a hub id."""

    revision: str | None = None
    """The hub revision (branch, tag or commit) to fetch; none takes the default branch."""

    max_length: int | None = Field(None, ge=8)
    """Tokens a window may hold, special tokens included; none takes all that the model can read."""

    long_text: Literal["windows", "truncate"] = "windows"
    """What happens beyond `max_length`: overlapping windows whose answers are merged, or a
    counted cut."""

    stride: int | None = Field(None, ge=0)
    """Tokens that two neighbouring windows share; none takes 64, or a quarter of a window that is
    shorter than 256."""

    pooling: Literal["auto", "native", "mean"] = "auto"
    """How a text becomes one vector: the architecture's own way, the mean of its tokens, or what
    the model's own sentence-vector settings say (auto)."""

    pairs: Literal["auto", "together", "apart"] = "auto"
    """How two texts are compared (matching): together in one window, apart by a vector each, or
    (auto) together for labels and apart for scores."""

    case_shape: bool | None = None
    """Add a learned embedding of each word's case shape (tag heads); none adds it to uncased
    vocabularies."""

    dropout: float | None = Field(None, ge=0, lt=1)
    """Dropout ratio of the backbone and head while training; none keeps the model's own."""


class TrainingRecipe(Part):
    """How the loop trains. Methods without a loop (probe) ignore it."""

    epochs: int = Field(5, ge=1)
    """Passes over the training rows."""

    max_steps: int | None = Field(None, ge=1)
    """Optimiser steps after which training stops, whatever `epochs` says."""

    batch_tokens: int = Field(1024, ge=16)
    """Tokens (padding included) of one batch."""

    packing: bool = False
    """Let several short texts share a row of a batch, without padding, none of which sees another
    (decoders that go on behind what they read)."""

    accumulation: int = Field(1, ge=1)
    """Batches whose gradients are averaged before one optimiser step."""

    optimizer: Literal["adamw", "adam", "sgd", "adafactor", "lion", "muon", "schedule_free"] = (
        "adamw"
    )
    """The update rule: `muon` has AdamW beside it for all but the hidden matrices, and shares its
    learning rates; `schedule_free` is AdamW that averages its weights; `lion` wants a tenth to a
    third of AdamW's learning rate, `sgd` a hundred times it."""

    learning_rate: float = Field(1e-4, gt=0)
    """Peak learning rate of the backbone."""

    find_learning_rate: bool = False
    """Sweep the learning rate over up to 100 steps first and tune with the rate this suggests;
    `head_learning_rate` is scaled with it."""

    head_learning_rate: float | None = Field(1e-3, gt=0)
    """Peak learning rate of the head; none uses `learning_rate`."""

    layer_decay: float = Field(1.0, gt=0, le=1)
    """Factor on the learning rate for each layer further from the head (1 treats all alike)."""

    freeze_layers: int = Field(0, ge=0)
    """Lowest layers of the encoder that are not trained, and the embeddings with them; their states
    are computed once and kept."""

    weight_decay: float = Field(0.01, ge=0)
    """Weight decay, decoupled but for `adam` and `sgd` (an L2 penalty); biases and norms have none.
    """

    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of SGD."""

    schedule: Literal[
        "auto",
        "linear",
        "cosine",
        "cosine_restarts",
        "polynomial",
        "inverse_sqrt",
        "wsd",
        "constant",
    ] = "auto"
    """Course of the learning rate after warm-up; `wsd` stays and then falls; auto takes linear, or
    constant where the optimiser is `schedule_free`."""

    schedule_power: float = Field(2.0, gt=0)
    """Exponent of `polynomial`."""

    schedule_cycles: int = Field(3, ge=1)
    """Falls of `cosine_restarts`, all of one length."""

    decay_ratio: float = Field(0.2, gt=0, le=1)
    """Share of all steps in which `wsd` falls to 0, at the end."""

    warmup_ratio: float = Field(0.1, ge=0, lt=1)
    """Share of all steps in which the learning rate rises from 0."""

    max_grad_norm: float = Field(1.0, ge=0)
    """Norm to which gradients are clipped; 0 never clips."""

    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target mass spread over all labels (Szegedy et al. 2016)."""

    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs each class by rows / (classes x rows of the class)."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of matrix products; auto takes bf16 where the processor multiplies it."""

    evaluate_every: int | None = Field(None, ge=1)
    """Optimiser steps between validations; none validates once an epoch."""

    patience: int = Field(3, ge=0)
    """Validations without a gain before training stops early; 0 never stops early."""

    selection: str | None = None
    """Validation measure that chooses the checkpoint; none takes the task's own."""

    tune_decision: bool = True
    """Shift the line between yes and no (taggers, multi-label), and weigh which tag follows which
    (taggers), to the best validation F1."""

    checkpoint_steps: int | None = Field(None, ge=1)
    """Optimiser steps between checkpoints; none saves at each validation."""

    threads: int | None = Field(None, ge=1)
    """Processor threads; none takes all cores."""

    token_cache: bool = True
    """Keep the tokens of 10,000 rows and more for the next run, in up to 2 GiB below the workspace.
    """

    track: Literal["none", "tensorboard", "mlflow", "wandb"] = "none"
    """Where the curve is mirrored to while it grows."""


class RecommendRecipe(Part):
    """What a recommender learns from, and how. Other tasks ignore it."""

    liked: float | None = None
    """Value from which an event teaches that an item was liked, lower ones only saying that it was
    had; none counts every event."""

    loss: Literal["softmax", "bpr"] = "softmax"
    """What is minimised: the softmax over the items of the batch and a sample of the others,
    corrected for how often each is drawn, or the pairwise BPR over the same items."""

    dimensions: int = Field(64, ge=1)
    """Dimensions in which users and items are compared."""

    history: int = Field(50, ge=1)
    """Last items of a user from which his vector is made."""

    batch_events: int = Field(256, ge=1)
    """Events of one batch."""

    negatives: int = Field(256, ge=0)
    """Items drawn for each batch, each as likely as any, beside those of its events."""

    item_ids: bool = True
    """Add to what the text says of an item a learned vector of its own."""

    id_dropout: float = Field(0.2, ge=0, lt=1)
    """Share of an item's appearances in which it is known by its text alone, as new items are."""

    ranges: ClassVar[dict[str, Any]] = {
        "training.head_learning_rate": "2e-4..4e-3",
        "training.epochs": "2..8",
        "recommend.dimensions": [32, 64, 128],
    }
    """What a search tries where it names no range."""


class SplitRecipe(Part):
    """How rows are held out where the data names no split of its own."""

    valid: float = Field(0.1, gt=0, lt=1)
    """Share of the rows that chooses the checkpoint and strength; of recommendations, any share
    stands for one event of each user, the last before the test."""

    test: float = Field(0.0, ge=0, lt=1)
    """Share of the rows that nothing but the final report sees; of recommendations, any share above
    0 stands for the last event of each user."""

    seed: int | None = Field(None, ge=0, le=2**32 - 1)
    """Seed of what is held out; none takes `seed`, which also draws all else."""

    folds: int | None = Field(None, ge=2, le=64)
    """Parts that train and valid together are cut into, one of which is valid; none cuts none."""

    fold: int = Field(0, ge=0)
    """Part that is valid, counted from 0, where there are folds."""

    @field_validator("fold")
    @classmethod
    def _is_a_fold(cls, fold: int, info: ValidationInfo) -> int:
        folds = info.data.get("folds")
        if fold and (folds is None or fold >= folds):
            raise ValueError(f"a fold must be below `folds`, which is {folds}")
        return fold

    @field_validator("test")
    @classmethod
    def _leaves_rows(cls, test: float, info: ValidationInfo) -> float:
        if test + info.data.get("valid", 0) >= 1:
            raise ValueError("valid and test together must leave rows to train on")
        return test


def _write_json(value: Any) -> Any:
    """Turn a mapping, as YAML and Python give it, into the JSON text of it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


JsonText = Annotated[str | None, BeforeValidator(_write_json)]


class DecodingRecipe(Part):
    """How a text is written, token by token. It is kept in the bundle and may be changed later."""

    beams: int | None = Field(None, ge=1, le=64)
    """Texts that are written side by side, of which the most probable is given; 1 takes the most
    probable token each time, in about a third of the time; none takes 4, or 1 for replies and where
    tokens are drawn."""

    length_penalty: float = 1.0
    """Power of the length that a beam's log-probability is divided by: above 1 prefers longer
    texts, 0 does not look at the length (Wu et al. 2016, §7, without its offset)."""

    max_new_tokens: int | None = Field(None, ge=1)
    """Tokens a written text has at most; none takes one and a half times the longest of training.
    """

    no_repeat_ngram: int = Field(0, ge=0)
    """Length of the token sequences that no text may hold twice; 0 forbids nothing."""

    temperature: float = Field(0.0, ge=0, le=10)
    """0 takes the most probable token; above 0 each token is drawn, from probabilities that a lower
    temperature sharpens."""

    top_p: float = Field(1.0, gt=0, le=1)
    """Where tokens are drawn, only the fewest most probable ones that together have this
    probability (Holtzman et al. 2020, §3.1)."""

    seed: int = Field(0, ge=0, le=2**32 - 1)
    """Seed of what is drawn: the same text gets the same answer, whatever stands beside it."""

    choices: tuple[str, ...] = ()
    """Texts of which one is written, whatever the model would rather write; none leaves it free."""

    regex: str | None = None
    """Regular expression that what is written matches, whole (the extra `forms`)."""

    json_schema: JsonText = None
    """Text of a JSON schema that what is written fits (the extra `forms`)."""

    @property
    def sure_beams(self) -> int:
        """The texts side by side, one where nothing says."""
        return self.beams or 1


def change_decoding(known: DecodingRecipe, changes: DecodingRecipe) -> DecodingRecipe:
    """Return `known` with the settings that were given in `changes`, and no other.

    >>> change_decoding(DecodingRecipe(beams=2), DecodingRecipe(no_repeat_ngram=3)).beams
    2
    """
    given = {name: getattr(changes, name) for name in changes.model_fields_set}
    return settle_beams(known.model_copy(update=given), usual=known.sure_beams)


def settle_beams(decoding: DecodingRecipe, *, usual: int) -> DecodingRecipe:
    """Return `decoding` with a number of beams: the `usual`, or 1 where tokens are drawn.

    Raises `SpecError` where both beams and a temperature were asked for.
    """
    if decoding.temperature and decoding.sure_beams > 1:
        raise SpecError(
            "`decoding.beams` must be 1 where tokens are drawn; got "
            f"{decoding.beams} and `decoding.temperature` {decoding.temperature:g}",
            hint="--set decoding.beams=1, or --set decoding.temperature=0",
        )
    if decoding.beams is not None:
        return decoding
    return decoding.model_copy(update={"beams": 1 if decoding.temperature else usual})
