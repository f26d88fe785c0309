"""The methods that ask a model in words: zero-shot and few-shot. They hold settings only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from tunesmith.core.locations import Location
from tunesmith.core.prompts import Calibration
from tunesmith.core.spec import Part

ByWish = Literal["auto", "vectors", "likelihood", "cloze"]
PromptLanguage = Literal["auto", "en", "zh-CN"]
ShotChoice = Literal["random", "balanced", "nearest", "diverse", "uncertain"]
ShotOrder = Literal["auto", "random", "alternated", "nearest_last"]


def _split_words(value: Any) -> Any:
    """Turn `great|good`, one text for a label, into several words; `LABEL=WORDS` may be texts."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        pairs = [item.partition("=") for item in value]
        if not all(label and equals for label, equals, _ in pairs):
            raise ValueError("words must be written LABEL=WORD|WORD, such as spam=junk|spam")
        value = {label: words for label, _, words in pairs}
    if not isinstance(value, dict):
        return value
    return {
        label: tuple(part.strip() for part in words.split("|")) if isinstance(words, str) else words
        for label, words in value.items()
    }


LabelWords = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_split_words)]


class Asked(Part):
    """What every method that asks in words has: a template, words for labels, a calibration."""

    by: ByWish = "auto"
    """How words are weighed: by vectors of sentences, by how likely they go on with the prompt
    (likelihood), in a gap of it (cloze), or as the model is made for (auto)."""

    words: LabelWords = Field(default_factory=dict)
    """Words for a label, where its name says too little: by label, several joined by `|`."""

    template: str | None = None
    """Text with named slots, such as `{text}`, and `{label}` where the answer stands (vectors: `{}`
    will do); none takes our own."""

    template_language: PromptLanguage = "auto"
    """Language of our own templates; auto looks at the training rows."""

    mean: bool = False
    """Divide the log-probability of a word by its tokens, so that long ones are no worse."""

    calibration: Calibration = "none"
    """What is subtracted from a label's score: what a prompt without content gives it (contextual,
    Zhao et al. 2021), or what stands right before the answer alone (domain, Holtzman et al. 2021).
    """

    @field_validator("template")
    @classmethod
    def _has_its_slot(cls, template: str | None) -> str | None:
        slots = ("{label}", "{mask}", "{}")
        if template is not None and not any(slot in template for slot in slots):
            raise ValueError("a template must hold `{label}` (or `{}`), where the words stand")
        return template


class ZeroShot(Asked):
    """No labelled rows: the labels' words are compared with a text, or follow it in a prompt.

    By vectors, the training rows are read for their texts alone, which refine what words mean.
    """

    name: Literal["zero-shot"] = "zero-shot"
    """The method's name."""

    rounds: int = Field(10, ge=0)
    """Rounds in which the texts refine the names (vectors); 0 takes the names as they are."""

    anchor: float = Field(0.5, ge=0, le=1)
    """Weight of the name beside the texts that are nearest to it (vectors)."""

    scale: float = Field(20.0, gt=0)
    """What cosines are multiplied by before the softmax (vectors)."""


class FewShot(Asked):
    """A few training rows stand in the prompt as examples; no weight is trained.

    Source: Brown et al. 2020 (GPT-3), §2.1; for gaps Schick & Schütze 2021 (PET).
    """

    name: Literal["few-shot"] = "few-shot"
    """The method's name."""

    examples: int = Field(8, ge=1)
    """Examples in a prompt, at most; those that the model has no room for are left out, and
    counted."""

    choice: ShotChoice = "balanced"
    """Which rows: any (random), as many of each class (balanced), those most like the text that is
    asked about (nearest, Liu et al. 2022), unlike each other (diverse), or those that the model is
    least sure of (uncertain, Diao et al. 2024)."""

    order: ShotOrder = "auto"
    """Their order: by the seed (random), class by class in turn (alternated), or those most like
    the question, or of a fixed prompt like the other rows, last (nearest_last); auto takes
    alternated, and nearest_last where they are chosen by nearness."""

    vectors: Annotated[str, Location("model", words=("own",))] = "own"
    """What says which texts are alike: the model's own states (own), or the name of a model for
    sentences, such as `minilm`, which the bundle then holds too."""

    pool: int = Field(500, ge=1)
    """Training rows that examples are chosen from, at most."""
