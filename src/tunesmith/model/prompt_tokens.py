"""Soft prompts as tokens of the vocabulary, so that everything that reads tokens reads them.

A prompt of P learned embeddings becomes P new tokens that the tokenizer itself puts before every
text. Windows, generation, bundles and plain transformers need nothing else. While they are learned,
the table of embeddings is looked up for all tokens but these.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from tunesmith.core.deltas import PTuning, SoftPrompt
from tunesmith.core.errors import SpecError
from tunesmith.model.backbones import Backbone
from tunesmith.model.framing import Frame, find_frame, find_pair_frame

TOKEN = "<prompt-{}>"
BEHIND = "<behind>"


class PromptTable(nn.Module):
    """A frozen table of embeddings whose last P rows are learned apart: (…) ids → (…, H).

    `network` makes the rows from what is learned, where there is one.
    """

    def __init__(self, table: nn.Embedding, tokens: int, network: nn.Module | None) -> None:
        """Begin at the last rows of `table`."""
        super().__init__()
        self.table = table
        self.first = table.num_embeddings - tokens
        self.prompt = nn.Parameter(table.weight[self.first :].detach().clone())
        self.network = network
        table.weight.requires_grad_(False)

    @property
    def weight(self) -> torch.Tensor:
        """The whole frozen table."""
        return self.table.weight

    def rows(self) -> torch.Tensor:
        """Return (P, H): the prompt's embeddings as they are now."""
        return self.prompt if self.network is None else self.prompt + self.network(self.prompt)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return (…, H)."""
        is_prompt = ids >= self.first
        words = self.table(ids)
        own = functional.embedding((ids - self.first).clamp(min=0), self.rows())
        return torch.where(is_prompt[..., None], own.to(words.dtype), words)


def with_prompt(
    backbone: Backbone,
    method: SoftPrompt | PTuning,
    *,
    seed: int,
    behind: tuple[int, ...] | None = None,
) -> Backbone:
    """Return a backbone whose tokenizer puts `method.tokens` new tokens before every text.

    They begin at the embeddings of `method.initial_text`, in turn, or of random tokens. The ids
    `behind` stand behind a text in place of the tokenizer's own, where they are given. Raises
    `SpecError` where that text has no token, or the prompt would leave no room for a text.
    """
    tokenizer, model = backbone.tokenizer, backbone.model
    if method.tokens > backbone.card.context // 2:
        raise SpecError(
            f"`method.tokens` must be at most half of the {backbone.card.context} tokens that the "
            f"model reads; got {method.tokens}",
            hint=f"--set method.tokens={min(20, backbone.card.context // 4)}",
        )
    ids = _beginning(tokenizer, method, seed=seed)
    frame, pair = find_frame(tokenizer), find_pair_frame(tokenizer)
    names = [TOKEN.format(number) for number in range(method.tokens)]
    table = model.get_input_embeddings()
    before = table.weight[ids].detach().clone()
    size = table.num_embeddings
    tokenizer.add_tokens(names, special_tokens=True)
    new_ids = tokenizer.convert_tokens_to_ids(names)
    model.resize_token_embeddings(max(size, max(new_ids) + 1), mean_resizing=False)
    table = model.get_input_embeddings()
    with torch.no_grad():
        table.weight[new_ids] = before
    if max(new_ids) + 1 != table.num_embeddings or new_ids[0] + len(names) - 1 != new_ids[-1]:
        raise SpecError(
            "a soft prompt needs the last rows of the embeddings; this vocabulary is shorter than "
            f"its table ({len(tokenizer)} of {size})",
            hint="--method prefix",
        )
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.suppress_tokens = new_ids  # a prompt is read, never written
    if behind is not None:
        frame = Frame(frame.before, ())
    _put_before(tokenizer, names, frame, pair, behind or ())
    return replace(backbone, tokenizer=as_it_is(tokenizer))


def with_room(backbone: Backbone, method: object) -> Backbone:
    """Return a backbone whose table of embeddings has rows for a prompt, where `method` has one.

    The tokenizer knows the prompt already.
    """
    if isinstance(method, SoftPrompt | PTuning):
        backbone.model.resize_token_embeddings(len(backbone.tokenizer), mean_resizing=False)
    return backbone


def learn_prompt(root: Any, method: SoftPrompt | PTuning) -> PromptTable:
    """Freeze a model and let the prompt's rows of its embeddings be learned."""
    root.requires_grad_(False)
    table = root.get_input_embeddings()
    network = None
    if isinstance(method, PTuning):
        width = table.embedding_dim
        last = nn.Linear(method.width, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        network = nn.Sequential(nn.Linear(width, method.width), nn.Tanh(), last)
    learned = PromptTable(table, method.tokens, network)
    root.set_input_embeddings(learned)
    return learned


def merge_prompt(root: Any) -> None:
    """Write the learned rows into the table of embeddings, and put that back."""
    learned = root.get_input_embeddings()
    with torch.no_grad():
        learned.table.weight[learned.first :] = learned.rows()
    root.set_input_embeddings(learned.table)


def as_it_is(tokenizer: Any) -> Any:
    """Return a tokenizer of no family: those make what stands around a text anew when loaded."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        padding_side=tokenizer.padding_side,
        chat_template=tokenizer.chat_template,
        **tokenizer.special_tokens_map,
    )


def _beginning(tokenizer: Any, method: SoftPrompt | PTuning, *, seed: int) -> list[int]:
    """Return the tokens at whose embeddings the prompt begins."""
    words = getattr(method, "initial_text", "")
    if words:
        found = tokenizer(words, add_special_tokens=False)["input_ids"]
        if not found:
            raise SpecError(
                f"`method.initial_text` must hold text that the vocabulary knows; got {words!r}",
                hint="--set method.initial_text='classify this text'",
            )
        return [found[number % len(found)] for number in range(method.tokens)]
    plain = sorted(set(range(len(tokenizer))) - set(tokenizer.all_special_ids))
    chosen = torch.randperm(len(plain), generator=torch.Generator().manual_seed(seed))
    return [plain[number] for number in chosen[: method.tokens].tolist()]


def _put_before(
    tokenizer: Any, names: list[str], frame: Any, pair: Any, behind: tuple[int, ...]
) -> None:
    """Let the tokenizer put the prompt behind what it puts before a text, and before two.

    The ids `behind` stand at the end of a single text, as one piece: their spelling may be any.
    """
    used: dict[str, int] = {}

    def spelled(ids: tuple[int, ...]) -> list[str]:
        tokens = tokenizer.convert_ids_to_tokens(list(ids))
        used.update(zip(tokens, ids, strict=True))
        return list(tokens)

    used.update(zip(names, tokenizer.convert_tokens_to_ids(names), strict=True))
    single = [*spelled(frame.before), *names, "$A", *spelled(frame.after)]
    single += [BEHIND] if behind else []
    pieces = []
    if behind:
        spelling = tokenizer.convert_ids_to_tokens(list(behind))
        pieces.append({"id": BEHIND, "ids": list(behind), "tokens": spelling})
    kind = 1 if pair.has_types else 0
    both = [*spelled(pair.before), *names, "$A", *spelled(pair.between)]
    both += [f"$B:{kind}", *(f"{token}:{kind}" for token in spelled(pair.after))]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=single, pair=both, special_tokens=[*used.items(), *pieces]
    )
