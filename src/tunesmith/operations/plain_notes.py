"""What a bundle says to those who load its `model/` in plain transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunesmith.model.framing import Reading
from tunesmith.model.heads.choose import CHOICE_FILE
from tunesmith.model.readers import is_read_by_encoder
from tunesmith.tasks.generation import Generation
from tunesmith.tasks.task import Task

PLAIN_LOADERS = {
    "tag": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
    "embed": "AutoModel",
    "relate": "AutoModel",
    "recommend": "AutoModel",
    "extract": "AutoModel",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "causal": "AutoModelForCausalLM",
}
"""What loads `model/` in plain transformers, by head family, or by how it writes; the rest are
sequence classifiers."""

READ_AS = {
    "seq2seq": "the tokens that the tokenizer gives",
    "causal": "those tokens, the last ones that close a text left out, and a line break",
    "causal chat": "`apply_chat_template(messages, add_generation_prompt=True)`",
    "seq2seq chat": "the tokens that the tokenizer gives of what "
    "`apply_chat_template(messages, tokenize=False, add_generation_prompt=True)` writes",
}

LACKING = {
    "tag": "the embedding of each word's case shape, added to the input embeddings. "
    "Expect other labels where case matters.",
    "relate": "the linear layer on the states before the two marked stretches.",
    "choose": "the linear layer on how the choice meets the rest.",
    "recommend": "the towers of users and items above the vectors of the texts.",
    "extract": "the linear layer that weighs sentences; how they are chosen is in `bundle.json`.",
}
"""What the files are that plain transformers does not load, by head family."""


ASKED_LOADERS = {
    "causal": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "masked": "AutoModelForMaskedLM",
}
"""What loads a model that is asked in words, by how it speaks."""


def asked_note(speaking: str) -> str:
    """Return what loads a model that answers by a prompt, and where that prompt stands."""
    return (
        f"`{ASKED_LOADERS[speaking]}.from_pretrained('model')` loads the model as it was before; "
        "what it is asked, and which words are weighed, is in `bundle.json`."
    )


def plain_facts(
    lacks: tuple[str, ...], task: Task, reading: Reading, architecture: str
) -> dict[str, Any]:
    """Return what a bundle's manifest says of its `model/`: `lacks` and `note`."""
    note = plain_note(lacks, task, reading, architecture=architecture)
    return {"lacks": list(lacks), "note": note}


def plain_loader(
    lacks: Sequence[str], task: Task, reading: Reading, *, architecture: str = ""
) -> str:
    """Return the class of transformers that loads the model of a bundle."""
    family = _family(task, reading).partition(" ")[0]
    loader = PLAIN_LOADERS.get(family, "AutoModelForSequenceClassification")
    if CHOICE_FILE in lacks or loader == "AutoModel":
        return "AutoModelForTextEncoding" if is_read_by_encoder(architecture) else "AutoModel"
    return loader


def plain_note(
    lacks: tuple[str, ...], task: Task, reading: Reading, *, architecture: str = ""
) -> str:
    """Return what loads the model, and how like ours its answers are; `lacks` it does not load."""
    family = _family(task, reading)
    loader = plain_loader(lacks, task, reading, architecture=architecture)
    load = f"`{loader}.from_pretrained('model')`"
    if lacks:
        what = LACKING.get(family, "")
        if any(name.startswith("delta/") for name in lacks):
            what = f"{what} What was learned stands beside the model in `delta/`.".strip()
        return f"{load} loads, without {', '.join(lacks)}: {what}"
    if family == "tag":
        return f"{load} gives the same logits; how tags follow each other is in `bundle.json`."
    if family == "embed":
        return f"{load} gives the states whose mean is a text's vector, as sentence-transformers."
    if family in READ_AS:
        return f"{load} writes the same by `generate()`, from {READ_AS[family]}."
    return f"{load} gives the same answers."


def _family(task: Task, reading: Reading) -> str:
    """Return by what the tables above know a model: how it writes, or its head family."""
    if isinstance(task, Generation):
        return f"{reading.writing} chat"
    return reading.writing or task.head
