"""Boosters: what a recipe may add to training, each by its name and none by default.

They hold settings only. Several are switched on by a list of names; `true` switches one on as it
comes, a setting of it does too, and `false` or `null` leaves it off. `operations/boosters.py` says
which suit which task.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tunesmith.core.methods import named
from tunesmith.core.spec import Part, parts_of


class Fgm(Part):
    """One step of the word embeddings towards a higher loss, learned beside the text as it is.

    Source: Miyato, Dai & Goodfellow 2017, eq. 5 and 6, on embeddings that are not normalised.
    """

    name: Literal["fgm"] = "fgm"
    """The booster's name."""

    epsilon: float = Field(1.0, gt=0)
    """L2 norm of what is added to all word embeddings of a row together; a word of BERT has about
    1."""

    weight: float = Field(1.0, gt=0)
    """Weight of the loss there, where that of the text as it is is 1; the sum is divided by both.
    """


class Pgd(Part):
    """Several smaller steps within a ball around the word embeddings, of which the last is learned.

    Source: Madry et al. 2018, §2.1, in the L2 norm.
    """

    name: Literal["pgd"] = "pgd"
    """The booster's name."""

    epsilon: float = Field(1.0, gt=0)
    """L2 norm of what is added to all word embeddings of a row together; a word of BERT has about
    1."""

    step_size: float = Field(0.4, gt=0)
    """L2 norm of one step of a row."""

    steps: int = Field(3, ge=1)
    """Steps, each of which reads the batch once more."""

    weight: float = Field(1.0, gt=0)
    """Weight of the loss there, where that of the text as it is is 1; the sum is divided by both.
    """


class FreeLb(Part):
    """Steps that begin at a random place near the word embeddings, all of which are learned.

    Their dropout is the same. Source: Zhu et al. 2020 (FreeLB), algorithm 1 and §3.3.
    """

    name: Literal["freelb"] = "freelb"
    """The booster's name."""

    epsilon: float = Field(1.0, gt=0)
    """L2 norm of what is added to all word embeddings of a row together; a word of BERT has about
    1."""

    step_size: float = Field(0.4, gt=0)
    """L2 norm of one step of a row."""

    steps: int = Field(3, ge=2)
    """Places whose gradients are averaged; each reads the batch once."""


class Ema(Part):
    """The exponential moving average of the weights is what is validated and kept.

    Source: Polyak & Juditsky 1992; Tarvainen & Valpola 2017, §2.
    """

    name: Literal["ema"] = "ema"
    """The booster's name."""

    decay: float = Field(0.99, ge=0, lt=1)
    """Share of the average that stays in a step; in step t it is at most (1 + t) / (10 + t), so
    that short runs forget where they began."""


class Swa(Part):
    """The mean of the weights of the last steps is what is validated and kept.

    Source: Izmailov et al. 2018 (SWA), algorithm 1.
    """

    name: Literal["swa"] = "swa"
    """The booster's name."""

    start: float = Field(0.75, ge=0, lt=1)
    """Share of all steps after which the mean begins; before it the weights are as they are."""

    every: int = Field(1, ge=1)
    """Steps between two weights that are taken into the mean."""


class RDrop(Part):
    """Each row is read twice under dropout, and the two answers are drawn together.

    Source: Liang et al. 2021 (R-Drop), eq. 4, divided by 2 as two rows are read.
    """

    weight: float = Field(1.0, gt=0)
    """α, the weight of the mean of the two Kullback-Leibler divergences."""


class Mixup(Part):
    """Vectors that the head reads are mixed with those of other rows, and their labels with them.

    Source: Zhang et al. 2018 (mixup); Guo, Mao & Zhang 2019 (senMixup); Verma et al. 2019
    (manifold mixup), eq. 1, at the last layer.
    """

    alpha: float = Field(0.2, gt=0)
    """Both parameters of the Beta distribution that shares are drawn from, one a batch; the higher,
    the nearer to one half."""


class Focal(Part):
    """Losses of rows that are answered well already count less.

    Source: Lin et al. 2017, eq. 5; its α is `training.class_weights`.
    """

    gamma: float = Field(2.0, ge=0)
    """Power of one minus the probability of the right answer; 0 is the cross-entropy."""


class BalancedSampling(Part):
    """An epoch draws as many rows as there are, rare labels more often.

    Source: Kang et al. 2020, eq. 1.
    """

    power: float = Field(0.0, ge=0, le=1)
    """q: a label is drawn as often as its rows to this power say; 0 draws all labels alike, 0.5 by
    square roots, 1 as they are."""


class SupervisedContrastive(Part):
    """Vectors of texts with one label are drawn together, and those of others apart.

    Source: Khosla et al. 2020, eq. 2; mixed with the task's loss as Gunel et al. 2021, eq. 1.
    """

    weight: float = Field(0.3, gt=0, lt=1)
    """λ, the weight of this loss where that of the task is 1 - λ."""

    temperature: float = Field(0.3, gt=0)
    """τ, what cosines are divided by."""


def switched(value: Any) -> Any:
    """Return the settings that a switch stands for: all defaults where on, none where off."""
    if isinstance(value, str):
        raise ValueError("it must be true, false or its settings")
    return _opened(value)


def switched_name(value: Any, default: str) -> Any:
    """Return what `switched` does for one of several, the `default` where no name is given."""
    return named(_opened(value), default=default)


def _opened(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else None
    return value


Switched = BeforeValidator(switched)
Adversarial = Annotated[Fgm | Pgd | FreeLb, Field(discriminator="name")]
Average = Annotated[Ema | Swa, Field(discriminator="name")]


class BoostRecipe(Part):
    """What is added to training; nothing by default."""

    adversarial: Annotated[
        Adversarial | None, BeforeValidator(lambda value: switched_name(value, default="fgm"))
    ] = None
    """Train on word embeddings that are moved towards a higher loss too: fgm, pgd or freelb."""

    r_drop: Annotated[RDrop | None, Switched] = None
    """Draw the answers of two passes under dropout together."""

    mixup: Annotated[Mixup | None, Switched] = None
    """Mix the vectors that the head reads, and their labels."""

    focal: Annotated[Focal | None, Switched] = None
    """Let losses of what is answered well already count less."""

    supervised_contrastive: Annotated[SupervisedContrastive | None, Switched] = None
    """Draw vectors of one label together and those of others apart."""

    balanced_sampling: Annotated[BalancedSampling | None, Switched] = None
    """Draw rows of rare labels more often."""

    average: Annotated[
        Average | None, BeforeValidator(lambda value: switched_name(value, default="ema"))
    ] = None
    """Validate and keep an average of the weights: ema or swa."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The settings that are on, in the order they stand here."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """What is on by the names of boosters.

        >>> BoostRecipe(adversarial="pgd", r_drop=True).names
        ('pgd', 'r_drop')
        """
        return tuple(getattr(getattr(self, name), "name", name) for name in self.chosen)


SETTING_OF = {
    part.model_fields["name"].default if "name" in part.model_fields else setting: setting
    for setting, field in BoostRecipe.model_fields.items()
    for part in parts_of(field.annotation)
}
"""The setting that each booster stands in, by the booster's name."""


def by_names(value: Any) -> Any:
    """Return the settings that a text such as `fgm,r_drop` stands for.

    It may stand under `name` beside settings, of the same boosters or of others; one that is false
    stays off.

    >>> by_names({"name": "fgm", "adversarial": {"epsilon": 2}})
    {'adversarial': {'name': 'fgm', 'epsilon': 2}}
    """
    settings = {"name": value} if isinstance(value, str) else value
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        return value
    rest = {key: given for key, given in settings.items() if key != "name"}
    for name in filter(None, (part.strip() for part in settings["name"].split(","))):
        if name not in SETTING_OF:
            near = get_close_matches(name, SETTING_OF, n=1)
            known = f"did you mean {near[0]}?" if near else f"there are {', '.join(SETTING_OF)}"
            raise ValueError(f"no booster is called {name}; {known}")
        setting = SETTING_OF[name]
        given = rest.get(setting)
        if given is None or given is True:
            given = {}
        if given and setting != name:
            given = named(given, default=name)
            if given["name"] != name:
                raise ValueError(f"{given['name']} and {name} exclude each other")
        if given is not False:
            rest[setting] = given if setting == name else {**given, "name": name}
    return rest
