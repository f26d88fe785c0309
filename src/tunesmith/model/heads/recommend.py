"""The recommend family: two towers over frozen text vectors; a user is what he had.

An item's vector comes from its text, and from a learned one of its own where it was seen in
training; a user's is the mean of those of his last items, weighted by attention and recency. Items
are told in a batch by their index, as tokens are: `input_ids` (B, T) with `attention_mask`.
Source: two towers and sampled softmax, Covington, Adams & Sargin 2016 and Yi et al. 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from tunesmith.core.errors import DataError
from tunesmith.core.recipe import RecommendRecipe
from tunesmith.model.backbones import Backbone
from tunesmith.model.batching import Batch
from tunesmith.model.hidden import hidden_states
from tunesmith.model.readers import load_reader, reader_of

RECOMMENDER_FILE = "recommender.safetensors"
DROPOUT = 0.2
SCALE = 2.5
"""Logarithm of the factor on cosines at the start; it is learned."""


@dataclass(frozen=True, slots=True)
class Towers:
    """The sizes of a recommender; they are read off its tensors when it is loaded.

    `items` in the catalogue, `width` of the backbone's vectors, `dimensions` in which users and
    items are compared, `history` items of a user that are looked at.
    """

    items: int
    width: int
    dimensions: int
    history: int
    has_ids: bool


class Recommender(nn.Module):
    """An encoder that stays as it is, and above its vectors a tower for items and one for users.

    `texts` (I, H) are the centred and normalised text vectors of all items, zero where an item has
    no text; `popularity` (I,) is log(1 + training events). Vectors of items that were never seen
    have nothing but their text in them: learned ones begin at zero and stay there.
    """

    pooling = "mean"
    lacks: tuple[str, ...] = (RECOMMENDER_FILE,)
    texts: torch.Tensor
    popularity: torch.Tensor

    def __init__(self, encoder: Any, towers: Towers, *, id_dropout: float, dropout: float) -> None:
        """Put untrained towers on an encoder."""
        super().__init__()
        encoder.pooler = None  # reads the first token alone; its weights would never be trained
        self.encoder = encoder.requires_grad_(False)
        self.id_dropout, self.has_ids = id_dropout, towers.has_ids
        rows, size = (towers.items if towers.has_ids else 0), towers.dimensions
        self.register_buffer("texts", torch.zeros(towers.items, towers.width))
        self.register_buffer("popularity", torch.zeros(towers.items))
        self.had_text = nn.Linear(towers.width, size)
        self.offered_text = nn.Linear(towers.width, size)
        self.had_ids = nn.Parameter(torch.zeros(rows, size))
        self.offered_ids = nn.Parameter(torch.zeros(rows, size))
        self.recency = nn.Parameter(torch.linspace(-1.0, 1.0, towers.history))
        self.attention = nn.Linear(size, 1)
        self.hidden = nn.Linear(size, size)
        self.change = nn.Linear(size, size)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)
        self.scale = nn.Parameter(torch.tensor(SCALE))
        self.dropout = nn.Dropout(dropout)
        self._offered: torch.Tensor | None = None

    @property
    def history(self) -> int:
        """How many of a user's last items are looked at."""
        return len(self.recency)

    def vectors(self, batch: Batch) -> torch.Tensor:
        """Return (N, H) float32: the mean of the tokens of each window of an item's text."""
        hidden = hidden_states(self.encoder, batch).float()
        weights = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        kept = torch.where(weights > 0, hidden, torch.zeros_like(hidden))
        return kept.sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)

    def know(self, texts: np.ndarray, counts: np.ndarray) -> None:
        """Take over the text vectors (I, H) of all items and their numbers of training events."""
        given = torch.from_numpy(np.asarray(texts, dtype=np.float32))
        is_told = given.abs().sum(dim=1, keepdim=True) > 0
        centred = torch.where(is_told, given - given[is_told[:, 0]].mean(dim=0), 0.0)
        self.texts.copy_(functional.normalize(centred, dim=1))
        self.popularity.copy_(torch.from_numpy(np.log1p(counts)))

    def users(self, batch: Batch) -> torch.Tensor:
        """Return (B, D) the unit vectors of users from what they had, aligned to the right."""
        items, mask = batch["input_ids"], batch["attention_mask"].bool()
        used, places = torch.unique(items, return_inverse=True)
        had = self.dropout(self._towered(used, self.had_text, self.had_ids)[places])
        weights = self.recency[-items.shape[1] :] + self.attention(torch.tanh(had)).squeeze(-1)
        lowest = torch.finfo(weights.dtype).min
        weights = weights.masked_fill(~mask, lowest).softmax(dim=-1)
        mean = torch.einsum("bt,btd->bd", weights, had)
        moved = mean + self.change(functional.gelu(self.hidden(mean)))
        return functional.normalize(moved.float(), dim=-1)

    def offered(self, items: torch.Tensor) -> torch.Tensor:
        """Return (C, D) the unit vectors of items that may be recommended."""
        towered = self._towered(items, self.offered_text, self.offered_ids)
        return functional.normalize(towered.float(), dim=-1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (B, C) float32: how well each of `candidates` (C,) fits, or each item.

        Who had nothing that is known is given what is popular.
        """
        if "candidates" in batch:
            return self.users(batch) @ self.offered(batch["candidates"]).T * self.scale.exp()
        if self._offered is None:
            self._offered = self.offered(torch.arange(len(self.texts), device=self.texts.device))
        scores = self.users(batch) @ self._offered.T * self.scale.exp()
        is_known = batch["attention_mask"].any(dim=1, keepdim=True)
        return torch.where(is_known, scores, self.popularity)

    def train(self, mode: bool = True) -> Self:
        """Change the mode and forget the vectors of all items: training moves them."""
        self._offered = None
        return super().train(mode)

    def save(self, folder: Path, *, id2label: dict[int, str], problem: str) -> None:  # noqa: ARG002
        """Write an encoder that `AutoModel` loads, and the two towers in a file beside it."""
        self.encoder.config.id2label = id2label
        self.encoder.config.label2id = {label: index for index, label in id2label.items()}
        self.encoder.save_pretrained(folder)
        own = {
            name: tensor.contiguous()
            for name, tensor in self.state_dict().items()
            if not name.startswith("encoder.")
        }
        save_file(own, folder / RECOMMENDER_FILE)

    def _towered(self, items: torch.Tensor, text: nn.Linear, ids: torch.Tensor) -> torch.Tensor:
        """Return (C, D) what text and, unless dropped, own vector say of items (C,)."""
        vectors = text(self.texts[items])
        if not self.has_ids:
            return vectors
        own = ids[items]
        if self.training and self.id_dropout:
            kept = torch.rand(len(items), 1, device=own.device) >= self.id_dropout
            own = own * kept
        return vectors + own


def new_recommender(
    backbone: Backbone, *, items: int, recipe: RecommendRecipe, dropout: float | None
) -> Recommender:
    """Return untrained towers for a catalogue of so many items on `backbone`."""
    towers = Towers(
        items,
        backbone.model.config.hidden_size,
        recipe.dimensions,
        recipe.history,
        recipe.item_ids,
    )
    rate = DROPOUT if dropout is None else dropout
    reader = reader_of(backbone.model)
    return Recommender(reader, towers, id_dropout=recipe.id_dropout, dropout=rate)


def load_recommender(folder: Path) -> Recommender:
    """Return the recommender that `save` wrote into `folder`."""
    encoder = load_reader(folder)
    try:
        state = load_file(folder / RECOMMENDER_FILE)
        items, width = state["texts"].shape
        towers = Towers(
            items,
            width,
            len(state["attention.weight"][0]),
            len(state["recency"]),
            len(state["had_ids"]) > 0,
        )
        model = Recommender(encoder, towers, id_dropout=0.0, dropout=DROPOUT)
        own = {name for name in model.state_dict() if not name.startswith("encoder.")}
        if own != state.keys():
            raise ValueError(f"it lacks or adds {', '.join(sorted(own ^ state.keys()))}")
        model.load_state_dict(state, strict=False)
    except Exception as error:  # noqa: BLE001 (any file may be broken in any way)
        raise DataError(
            f"`model/{RECOMMENDER_FILE}` must hold the towers of users and items; {error}",
            hint="tune again",
        ) from error
    return model
