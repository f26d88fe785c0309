"""What is known of a model before it is here: one entry, its sizes, its terms and its sources.

Facts only; what a model costs is computed from them by the stage `zoo`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from tunesmith.core.data_spec import TaskKind
from tunesmith.core.spec import Part
from tunesmith.model.known.abilities import able_tasks

Kind = Literal["encoder", "seq2seq", "causal", "vision", "image-text"]
"""What a model reads and gives: text to vectors, text to text by two stacks or by one, images to
vectors, or both to vectors of one space."""

Commercial = Literal["allowed", "conditional", "forbidden", "unknown"]
Stored = Literal["float32", "float16", "bfloat16"]

BYTES_OF = {"float32": 4, "float16": 2, "bfloat16": 2}


class HubSource(Part):
    """A repository of the Hugging Face hub; what could not be verified is null."""

    kind: Literal["hub"] = "hub"

    id: str
    """Owner and name."""

    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    """The commit that is fetched; null takes the newest."""

    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """Digest of the weights, as `hash_weights` gives it."""


class ModelScopeSource(Part):
    """A repository of ModelScope: where to look; it is not fetched from."""

    kind: Literal["modelscope"] = "modelscope"

    id: str
    """Owner and name."""


class PackageSource(Part):
    """A Python package that carries the model in a folder."""

    kind: Literal["package"] = "package"

    package: str
    """Name of the distribution."""

    module: str
    """Name under which it is imported."""

    folder: str
    """Folder of the model in the module."""

    extra: str
    """Extra of Tunesmith that installs it."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest that the weights must have."""


class FolderSource(Part):
    """A folder of this machine."""

    kind: Literal["folder"] = "folder"

    path: str
    """The folder, in full."""

    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """Digest of the weights when the entry was made."""


Source: TypeAlias = Annotated[
    HubSource | ModelScopeSource | PackageSource | FolderSource, Field(discriminator="kind")
]


class Entry(Part):
    """One model of the catalogue.

    `config` has what its transformers configuration says beyond the sizes, so that sizes and
    `config` together rebuild the model without weights.
    """

    id: str = Field(min_length=1)
    """Its id on the hub, or the user's own name."""

    aliases: tuple[str, ...] = ()
    """Shorter names by which it may be asked for."""

    family: str
    """The family it belongs to."""

    kind: Kind
    """What it reads and gives."""

    architecture: str
    """transformers' `model_type`."""

    tasks: tuple[TaskKind, ...] = ()
    """What it can be tuned for."""

    languages: tuple[str, ...] = ()
    """The languages it was trained on, by their BCP 47 codes."""

    parameters: int = Field(gt=0)
    """Weights as transformers builds the model, tied ones once, the output layer of writers with
    them."""

    stored_parameters: int | None = Field(None, gt=0)
    """Weights in the published file, where they are more."""

    hidden_size: int = Field(gt=0)
    """Width of a state; of two towers, the text's."""

    layers: int = Field(gt=0)
    """Layers; of an encoder-decoder, those of one side."""

    heads: int | None = Field(None, gt=0)
    """Heads of attention in a layer; null where there is none."""

    feed_forward: int | None = Field(None, gt=0)
    """Width between the two matrices of a layer's feed-forward network."""

    vocabulary: int | None = Field(None, gt=0)
    """Tokens it has embeddings for; null where it reads no text."""

    context: int | None = Field(None, gt=0)
    """Longest input in tokens."""

    stored: Stored = "float32"
    """Number format of the published weights."""

    licence: str
    """SPDX identifier where there is one, else the licence's name, or why none is known."""

    commercial: Commercial
    """Whether the licence allows commercial use."""

    gated: bool = False
    """Whether the hub gives it only to accounts that accepted its terms."""

    sources: tuple[Source, ...] = Field(min_length=1)
    """Where it comes from, the first choice first."""

    facts: tuple[str, ...] = Field(min_length=1)
    """Where these facts come from."""

    config: dict[str, Any] = Field(default_factory=dict)
    """Further settings of its transformers configuration."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Give an entry without tasks those of its kind and architecture."""
        if isinstance(values, dict) and "tasks" not in values:
            able = able_tasks(values.get("kind", ""), values.get("architecture", ""))
            return {**values, "tasks": able}
        return values

    @property
    def hub(self) -> HubSource | None:
        """The repository of the hub, where there is one."""
        return next((item for item in self.sources if isinstance(item, HubSource)), None)

    @property
    def package(self) -> PackageSource | None:
        """The package that carries it, where there is one."""
        return next((item for item in self.sources if isinstance(item, PackageSource)), None)

    @property
    def folder(self) -> FolderSource | None:
        """The folder it lies in, where it was added from one."""
        return next((item for item in self.sources if isinstance(item, FolderSource)), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The id and the aliases."""
        return (self.id, *self.aliases)

    @property
    def download_bytes(self) -> int:
        """The size of the weights in their published format, computed and not looked up."""
        return (self.stored_parameters or self.parameters) * BYTES_OF[self.stored]

    def speaks(self, language: str) -> bool:
        """Tell whether it was trained on a language; `zh-CN` is a `zh`."""
        return language.lower().partition("-")[0] in self.languages

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON-ready fields, the size of the download among them."""
        return {**self.model_dump(mode="json"), "download_bytes": self.download_bytes}
