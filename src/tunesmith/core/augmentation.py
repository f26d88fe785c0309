"""How training rows are copied with changes that keep their answers.

They hold settings only; `stages/tune/augmenting/` is the one place that matches on them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tunesmith.core.locations import BundleText, ModelText, OptionalPathText
from tunesmith.core.methods import named
from tunesmith.core.spec import Part

EdaOperation = Literal["synonyms", "insertion", "swap", "deletion"]


class Eda(Part):
    """Words are replaced by synonyms, put in, exchanged or left out; a copy has one of these.

    Source: Wei & Zou 2019 (EDA), §2.
    """

    name: Literal["eda"] = "eda"
    """The augmentation's name."""

    copies: int = Field(1, ge=1, le=64)
    """Copies of each training row, at most; unchanged and equal ones are dropped."""

    share: float = Field(0.1, gt=0, lt=1)
    """Share of a text's words that an operation changes (at least one), α of the paper."""

    operations: tuple[EdaOperation, ...] | None = None
    """Operations of which each copy gets one; none takes all that keep the task's answers, which is
    synonyms alone where words carry tags."""

    synonyms: OptionalPathText = None
    """Dictionary of synonyms (.tsv or .jsonl); none takes our short lists of common English and
    Chinese words."""


class MaskedWords(Part):
    """Words are hidden and guessed anew by a masked language model, the label before the text.

    Source: Wu et al. 2019 (conditional BERT augmentation), §3; Kumar et al. 2020, §3.1 (labels
    prepended), without tuning the model to the labels.
    """

    name: Literal["masked"] = "masked"
    """The augmentation's name."""

    model: ModelText
    """Masked language model: a folder or a hub id, such as the backbone of `tunesmith pretrain
    --objective mlm`."""

    revision: str | None = None
    """The hub revision to fetch; none takes the default branch."""

    copies: int = Field(1, ge=1, le=64)
    """Copies of each training row, at most; unchanged and equal ones are dropped."""

    share: float = Field(0.15, gt=0, lt=1)
    """Share of a text's words that are hidden (at least one)."""

    candidates: int = Field(10, ge=1)
    """Most probable guesses of which one is drawn, each as likely as the model says."""

    label_first: bool = True
    """Let the model read the label before the text (tasks with labels)."""


class BackTranslation(Part):
    """Texts are translated into another language and back, each word drawn.

    Source: Sennrich et al. 2016, §3; drawing rather than the best translation, Edunov et al. 2018,
    §3.
    """

    name: Literal["back-translation"] = "back-translation"
    """The augmentation's name."""

    there: BundleText
    """Bundle that translates from the language of the rows."""

    back: BundleText
    """Bundle that translates back."""

    copies: int = Field(1, ge=1, le=64)
    """Copies of each training row, at most; unchanged and equal ones are dropped."""

    temperature: float = Field(0.7, ge=0, le=10)
    """Temperature of drawing; 0 takes the best translation, which gives one copy."""


class Mentions(Part):
    """Entities are replaced by others of their type that the training rows mention (ner).

    Source: Dai & Adel 2020, §3 (mention replacement).
    """

    name: Literal["mentions"] = "mentions"
    """The augmentation's name."""

    copies: int = Field(1, ge=1, le=64)
    """Copies of each training row, at most; unchanged and equal ones are dropped."""

    share: float = Field(0.5, gt=0, le=1)
    """Probability of each entity to be replaced; at least one is."""


Augmentation = Annotated[
    Eda | MaskedWords | BackTranslation | Mentions,
    Field(discriminator="name"),
    BeforeValidator(lambda value: named(value, default="eda")),
]
