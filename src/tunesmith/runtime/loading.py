"""From a bundle's path to an engine that answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError, SpecError
from tunesmith.core.recipe import DecodingRecipe, change_decoding
from tunesmith.model.framing import Reading
from tunesmith.runtime.engine import Engine, Members
from tunesmith.runtime.exports import Export
from tunesmith.runtime.onnx_model import OnnxModel, load_onnx_model
from tunesmith.runtime.reliability import Reliability, read_reliability
from tunesmith.store.bundles import Bundle, read_bundle

if TYPE_CHECKING:
    import torch


def load_engine(
    bundle: Bundle | Path | str, *, device: torch.device | None = None, precision: str = "fp32"
) -> Engine:
    """Return a torch engine over a verified bundle; its weights are float32.

    Raises what `read_bundle` raises, and `DataError` where the model's outputs are not the task's.
    """
    import torch  # noqa: PLC0415 (seconds, and an ONNX engine does without)

    from tunesmith.model.backbones import load_tokenizer  # noqa: PLC0415 (imports transformers)
    from tunesmith.model.deltas import load_delta  # noqa: PLC0415 (imports torch)
    from tunesmith.model.heads import load_head, output_count  # noqa: PLC0415 (imports transformers)

    if not isinstance(bundle, Bundle):
        bundle = read_bundle(bundle)
    device = device or torch.device("cpu")
    if bundle.members:
        return _load_members(bundle, device=device, precision=precision)
    if bundle.manifest.get("template") is not None:
        return _load_asked(bundle, device=device, precision=precision)
    reading = read_reading(bundle)
    try:
        pooling = bundle.manifest["pooling"]
    except KeyError as error:
        raise _unreadable(bundle, error) from error
    model = load_head(bundle.task.head, bundle.model_folder, pooling=pooling, reading=reading)
    if (outputs := output_count(model)) is not None:
        _check_outputs(bundle, outputs)
    if not bundle.is_whole:
        load_delta(model, bundle.path / "delta")
    tokenizer = load_tokenizer(bundle.model_folder)
    return Engine(
        model.to(device).eval(),
        tokenizer,
        bundle.task,
        reading,
        device,
        precision,
        decoding=read_decoding(bundle),
        reliability=read_reliability(bundle),
    )


def _load_members(bundle: Bundle, *, device: torch.device, precision: str) -> Engine:
    """Return an engine of all members of a bundle, whose files were verified with its own."""
    engines = [
        load_engine(read_bundle(path, verify=False), device=device, precision=precision)
        for path in bundle.members
    ]
    first = engines[0]
    return replace(
        first, model=Members(tuple(engines)), task=bundle.task, reliability=Reliability()
    )


def _load_asked(bundle: Bundle, *, device: torch.device, precision: str) -> Engine:
    """Return an engine over a bundle that answers by a prompt."""
    from tunesmith.model.backbones import (  # noqa: PLC0415 (imports transformers)
        load_tokenizer,
        longest_context,
    )
    from tunesmith.model.heads.speak import load_speaker  # noqa: PLC0415 (imports transformers)
    from tunesmith.runtime.prompted import read_prompt, with_prompt  # noqa: PLC0415 (imports torch)

    def load_encoder(folder: Path) -> Engine:
        from tunesmith.model.heads.embed import load_embedder  # noqa: PLC0415 (few need it)

        model = load_embedder(folder).to(device).eval()
        tokenizer = load_tokenizer(folder)
        length = longest_context(folder, tokenizer)
        reading = Reading(length, length // 4, "windows", case_shape=False)
        return Engine(model, tokenizer, bundle.task, reading, device)

    prompt, more = read_prompt(bundle, load_encoder)
    model = load_speaker(bundle.model_folder).to(device).eval()
    tokenizer = load_tokenizer(bundle.model_folder)
    plain = Engine(model, tokenizer, bundle.task, read_reading(bundle), device, precision)
    return with_prompt(plain, prompt, **more)


def with_decoding(engine: Engine, changes: DecodingRecipe) -> Engine:
    """Return the engine with the given settings of how it writes laid over its own.

    Raises `SpecError` where settings were given for a model that does not write.
    """
    if not changes.model_fields_set:
        return engine
    if engine.task.head != "generate":
        raise SpecError(
            f"`decoding` is for models that write; this bundle is for {engine.task.kind}",
            hint="leave out the settings of `decoding`",
        )
    return replace(engine, decoding=change_decoding(engine.decoding, changes))


def load_onnx_engine(bundle: Bundle, export: Export, *, threads: int | None = None) -> Engine:
    """Return an ONNX engine over an export of a verified bundle, without importing torch.

    Raises what `load_onnx_model` raises, and `DataError` where the graph is not the task's.
    """
    model = load_onnx_model(bundle.path / export.file, threads=threads)
    return make_onnx_engine(bundle, model, precision=export.precision)


def make_onnx_engine(bundle: Bundle, model: OnnxModel, *, precision: str) -> Engine:
    """Return an engine whose model is a loaded graph, with the bundle's tokenizer and task."""
    from tunesmith.model.tokenizers import read_tokenizer  # noqa: PLC0415 (kept off `load_engine`)

    reading = read_reading(bundle)
    _check_outputs(bundle, model.sizes.get("logits", 0))
    tokenizer = read_tokenizer(bundle.model_folder)
    known = read_reliability(bundle)
    return Engine(model, tokenizer, bundle.task, reading, None, precision, reliability=known)


def read_decoding(bundle: Bundle) -> DecodingRecipe:
    """Return how a bundle's model writes; the defaults where it does not."""
    return DecodingRecipe(**bundle.manifest.get("decoding") or {})


def read_reading(bundle: Bundle) -> Reading:
    """Return how a bundle's texts are read. Raises `DataError` where it does not say so."""
    try:
        return Reading(**bundle.manifest["reading"])
    except (KeyError, TypeError) as error:
        raise _unreadable(bundle, error) from error


def _unreadable(bundle: Bundle, error: Exception) -> DataError:
    return DataError(
        f"`bundle.json` must say how texts are read; {error} ({bundle.path})",
        hint="run `tunesmith fit` again",
    )


def _check_outputs(bundle: Bundle, found: int) -> None:
    expected = len(bundle.task.outputs())
    if found != expected:
        raise DataError(
            f"the model must have one output for each of the task's {expected}; "
            f"it has {found} ({bundle.path})",
            hint="run `tunesmith fit` again",
        )
