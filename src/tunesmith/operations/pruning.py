"""How `export` makes a smaller bundle first: fewer layers, a smaller vocabulary, each measured.

A pruned model is another model: it gets a bundle of its own, which names its parent.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.core.errors import SpecError
from tunesmith.core.events import Said
from tunesmith.core.examples import Example, Inputs, MarkedInput, Place
from tunesmith.core.recipe import ModelRecipe
from tunesmith.core.spec import build_spec
from tunesmith.data.folders import find_sources
from tunesmith.model.encoding_parts import texts_of
from tunesmith.model.framing import Reading
from tunesmith.model.tokenizers import TOKENIZER_FILE, read_tokenizer
from tunesmith.model.trimming import (
    drop_layers,
    trim_embeddings,
    trim_tokenizer,
    used_tokens,
)
from tunesmith.operations.export import ExportSpec
from tunesmith.operations.fit import FitSpec
from tunesmith.operations.fitting import fit_bundle
from tunesmith.operations.output import open_output_folder
from tunesmith.operations.reading import read_for, stream_for
from tunesmith.operations.weights import save_weights
from tunesmith.runtime.canary import make_canary, read_canary
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.exports import SOURCE_FOLDER
from tunesmith.runtime.judging import split_strangers
from tunesmith.runtime.loading import load_engine
from tunesmith.runtime.reliability import read_reliability
from tunesmith.session import Session
from tunesmith.stages.export.parity import answer_both, compare, compare_scores
from tunesmith.store.bundles import Bundle, read_bundle, revise_bundle

RETUNE_EPOCHS = 2
REMADE = ("bundle.json", "canary.jsonl")
POOLINGS = ("native", "mean")
OWN_FIELDS = ("format_version", "files", "sha256_of_the_rest", "exports")
"""Fields that each bundle has for itself."""


def check_pruning(spec: ExportSpec) -> bool:
    """Tell whether a smaller bundle is asked for.

    Raises `SpecError` where that lacks rows or a place, or has a place and nothing to put there.
    """
    wanted = [
        flag
        for flag, value in (
            ("--drop-layers", spec.drop_layers),
            ("--trim-vocabulary", spec.trim_vocabulary),
        )
        if value
    ]
    if not wanted:
        if spec.out is not None:
            raise SpecError(
                "`out` is the place of a pruned bundle; an export stands in its own bundle",
                hint="leave out --out, or --trim-vocabulary",
            )
        return False
    missing = [name for name in ("data", "out") if getattr(spec, name) is None]
    if missing:
        raise SpecError(
            [f"`{name}` must be given with {', '.join(wanted)}" for name in missing],
            hint="--data FILE --out FOLDER",
        )
    return True


def prune_bundle(
    spec: ExportSpec, session: Session, bundle: Bundle
) -> tuple[Bundle, dict[str, Any]]:
    """Return the smaller bundle, written into `out`, and what each step cost.

    Where the export is refused later, this bundle stays: it is whole and answers by torch.
    """
    measured: dict[str, Any] = {}
    out = Path(str(spec.out))
    if spec.drop_layers:
        bundle, measured["drop_layers"] = _drop_layers(spec, session, bundle, out)
    else:
        open_output_folder(spec.out, overwrite=False)
    if spec.trim_vocabulary:
        bundle, measured["trim_vocabulary"] = _trim_vocabulary(spec, session, bundle, out)
    return bundle, measured


def _drop_layers(
    spec: ExportSpec, session: Session, bundle: Bundle, out: Path
) -> tuple[Bundle, dict[str, Any]]:
    """Tune a shorter copy of the model briefly on the rows given."""
    data, task = str(spec.data), bundle.task
    outside = read_reliability(bundle).outside
    backbone = out.with_name(f"{out.name}-backbone")
    short = load_engine(bundle)
    left = drop_layers(short.model, spec.drop_layers)
    open_output_folder(str(backbone), overwrite=False)
    short.model.encoder.save_pretrained(backbone)
    short.tokenizer.save_pretrained(backbone)
    session.emit(Said(f"tuning the {left} layers that are left for {RETUNE_EPOCHS} epochs"))
    settings = _model_settings(bundle)
    wishes = {
        "data": data,
        "task": task.kind,
        "column": {**task.columns, **spec.column},
        "model": {"name": str(backbone), **settings},
        "training": {"epochs": RETUNE_EPOCHS},
        "reliability": {"outside": outside.label if outside else None},
        "seed": bundle.manifest["seed"],
        "out": str(out),
    }
    fit = build_spec(FitSpec, wishes, where="export")
    fit_bundle(fit, session)
    split = session.examples(
        data, task, valid_ratio=fit.split.valid, test_ratio=fit.split.test, seed=fit.seed
    )
    shortened = load_engine(out)
    rows, _ = split_strangers(split.test or split.valid, shortened.reliability)
    measured = {"layers": left, **_cost(load_engine(bundle), shortened, rows, data)}
    return _adopt(out / "bundle", bundle, {"drop_layers": measured}), measured


def _model_settings(bundle: Bundle) -> dict[str, Any]:
    """Return the recipe by which a bundle's model reads; few heads have a choice of pooling."""
    reading = Reading(**bundle.manifest["reading"])
    pooling = bundle.manifest["pooling"]
    known = {
        **reading.to_json(),
        "pooling": pooling if pooling in POOLINGS else "auto",
        "pairs": "apart" if reading.apart else "together",
    }
    return {name: known[name] for name in ModelRecipe.model_fields if name in known}


def _trim_vocabulary(
    spec: ExportSpec, session: Session, bundle: Bundle, out: Path
) -> tuple[Bundle, dict[str, Any]]:
    """Write the bundle with the tokens that the rows given are made of."""
    data = str(spec.data)
    texts = _texts(spec, bundle)
    engine = load_engine(bundle)
    used = used_tokens(read_tokenizer(bundle.model_folder), texts)
    content, kept = trim_tokenizer(bundle.model_folder, used)
    before = len(engine.tokenizer)
    session.emit(Said(f"keeping {len(kept):,} of {before:,} tokens"))
    trim_embeddings(engine.model, kept)
    target = out / "trimmed" if (out / "bundle").exists() else out / "bundle"

    def fill(folder: Path) -> None:
        _copy_all_but_the_model(bundle, folder)
        _save_trimmed(engine, bundle, folder / "model", content)
        rows = read_canary(bundle.path / "canary.jsonl", bundle.task)
        examples = [
            row.example or Example("", row.inputs, None, Place("canary.jsonl", number))
            for number, row in enumerate(rows, start=1)
        ]
        (folder / "canary.jsonl").write_text(
            make_canary(load_model(folder), examples), encoding="utf-8"
        )

    def load_model(folder: Path) -> Engine:
        return load_engine(Bundle(folder, bundle.task, bundle.manifest, ""))

    inherited = {k: v for k, v in bundle.manifest.items() if k not in OWN_FIELDS}
    trimmed = session.save(target, inherited, fill)
    _, examples = read_for(bundle.task, data, columns=spec.column)
    cost = _cost(load_engine(bundle), load_engine(trimmed), examples, data)
    measured = {"tokens": len(kept), "tokens_before": before, **cost}
    return _adopt(target, bundle, {"trim_vocabulary": measured}), measured


def _texts(spec: ExportSpec, bundle: Bundle) -> list[str]:
    """Return every text of the rows given, of all splits where they have any."""
    return [
        text
        for source in find_sources(str(spec.data))
        for example in stream_for(bundle.task, source, columns=spec.column, kind="auto")
        for text in _texts_read(example.inputs)
    ]


def _texts_read(item: Inputs) -> tuple[str, ...]:
    """Return the texts of a row that become tokens, the types of marked stretches among them."""
    return texts_of(item) + (item.types if isinstance(item, MarkedInput) else ())


def _copy_all_but_the_model(bundle: Bundle, folder: Path) -> None:
    for name in bundle.manifest["files"]:
        if name.startswith((SOURCE_FOLDER, "onnx/")) or name in REMADE:
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path / name, folder / name)


def _save_trimmed(engine: Engine, bundle: Bundle, folder: Path, tokenizer: str) -> None:
    save_weights(folder, engine)
    (folder / TOKENIZER_FILE).write_text(tokenizer, encoding="utf-8")
    settings = "tokenizer_config.json"
    shutil.copyfile(bundle.model_folder / settings, folder / settings)


def _cost(source: Engine, pruned: Engine, examples: Sequence[Example], data: str) -> dict[str, Any]:
    """Return what pruning changed on labelled rows: the score, and the share of equal answers."""
    pairs = answer_both(source, pruned, [example.inputs for example in examples])
    change = compare_scores(source.task, examples, pairs, data=data).to_json()
    change["pruned"] = change.pop("export")
    return {**change, "agreement": compare(source.task, pairs).agreement}


def _adopt(path: Path, parent: Bundle, measured: dict[str, Any]) -> Bundle:
    """Return the bundle with its parent and the cost of its making in the manifest."""
    bundle = read_bundle(path)
    changes = {
        "parents": [parent.fingerprint],
        "pruned": {**bundle.manifest.get("pruned", {}), **measured},
    }
    return revise_bundle(bundle, changes, add={})
