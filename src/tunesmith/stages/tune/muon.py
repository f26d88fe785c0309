"""Muon for the hidden matrices and AdamW for all else, as one optimiser with one state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from tunesmith.model.heads import HeadModel, head_parameters
from tunesmith.stages.tune.rowwise import RowwiseAdamW


def hidden_matrices(model: HeadModel) -> set[int]:
    """Return the ids of the matrices between embeddings and head: those that Muon is made for.

    A table of embeddings is none, whatever it embeds and even where the output shares its weights;
    the head is none (Jordan 2024).
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices = {id(parameter) for parameter in model.parameters() if parameter.dim() == 2}
    return matrices - tables - head_parameters(model)


class MuonAdamW(torch.optim.Optimizer):
    """Moves the groups marked `muon` by torch's Muon and the others by row-wise AdamW.

    Muon's updates are scaled to the size of AdamW's, so that one learning rate serves both. All
    groups and moments are this object's own, so they are saved and restored as one. Source: Jordan
    2024; the scale 0.2 · sqrt(max(rows, columns)) is that of Liu et al. 2025, equation 4.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], *, lr: float) -> None:
        """Take over the groups, some of them marked `muon`."""
        super().__init__(groups, {"lr": lr, "muon": False})
        self.parts: dict[bool, torch.optim.Optimizer] = {}
        if marked := self._groups(muon=True):
            self.parts[True] = torch.optim.Muon(marked, lr=lr, adjust_lr_fn="match_rms_adamw")
        if others := self._groups(muon=False):
            self.parts[False] = RowwiseAdamW(others, lr=lr, fused=True)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Do one step; `closure` is torch's interface: the loss is computed again and returned."""
        loss = closure() if closure is not None else None
        for muon, part in self.parts.items():
            # Loading a state makes new records of both, so they are handed over each time.
            part.param_groups, part.state = self._groups(muon=muon), self.state
            part.step()
        return loss

    def _groups(self, *, muon: bool) -> list[dict[str, Any]]:
        return [group for group in self.param_groups if group["muon"] is muon]
