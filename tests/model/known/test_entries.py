from __future__ import annotations

from collections import Counter

import pytest

from tunesmith.core.data_spec import TaskKind
from tunesmith.model.heads.whole import tasks_of
from tunesmith.model.known import read_catalogue
from tunesmith.model.known.abilities import LACKING, able_tasks
from tunesmith.model.known.catalogue import FAMILIES, packaged_entries, read_family
from tunesmith.model.known.counting import TOLERANCE, count_parameters
from tunesmith.model.outlines import build_outline, config_of, count_weights, is_native

ENTRIES = packaged_entries()
NATIVE = [entry for entry in ENTRIES if is_native(entry.architecture)]
WANTED = {
    *("BERT", "RoBERTa", "DeBERTa", "ModernBERT", "MiniLM", "DistilBERT", "ELECTRA", "ERNIE"),
    *("MacBERT", "Chinese RoBERTa", "bge", "e5", "gte", "XLM-R", "T5", "mT5", "BART", "mBART"),
    *("Marian", "Pegasus", "GPT-2", "Qwen", "Llama", "SmolLM", "Gemma", "Phi", "InternLM", "GLM"),
    *("ResNet", "ViT", "CLIP", "SigLIP"),
}


def test_catalogue_has_every_family_and_more_than_sixty_models():
    assert {entry.family for entry in ENTRIES} == WANTED
    assert len(ENTRIES) >= 60
    assert len(list(FAMILIES.glob("*.yaml"))) == len(WANTED)


def test_names_are_each_given_once():
    names = Counter(name.lower() for entry in ENTRIES for name in entry.names)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_entry_states_what_a_choice_needs(entry):
    assert entry.hub.id == entry.id
    assert entry.licence
    assert entry.facts
    assert entry.tasks == able_tasks(entry.kind, entry.architecture)
    assert set(entry.tasks) <= set(TaskKind.__args__)
    reads_text = entry.kind != "vision"
    assert bool(entry.languages) == reads_text
    assert bool(entry.vocabulary) == reads_text
    assert bool(entry.context) == reads_text
    assert list(entry.languages) == list(dict.fromkeys(entry.languages))
    assert all(code.islower() and code.isalpha() for code in entry.languages)
    assert entry.download_bytes >= 2 * entry.parameters


@pytest.mark.parametrize("entry", NATIVE, ids=lambda entry: entry.id)
def test_tasks_are_those_that_transformers_has_heads_for(entry):
    if entry.kind in ("vision", "image-text"):
        assert entry.tasks == ()
        return
    assert set(entry.tasks) == set(tasks_of(config_of(entry)))


def test_every_architecture_that_lacks_a_head_is_in_the_catalogue():
    assert {*LACKING} <= {entry.architecture for entry in ENTRIES}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_stated_parameters_are_those_of_the_stated_sizes(entry):
    counted = count_parameters(entry)
    if counted is None:
        assert entry.architecture == "resnet"
        return
    assert counted == pytest.approx(entry.parameters, rel=TOLERANCE)


@pytest.mark.parametrize("entry", NATIVE, ids=lambda entry: entry.id)
def test_stated_parameters_are_exactly_those_that_transformers_builds(entry):
    model = build_outline(config_of(entry), entry.kind)
    assert count_weights(model) == entry.parameters


def test_only_what_needs_code_of_its_own_is_not_built():
    assert {entry.id for entry in ENTRIES} - {entry.id for entry in NATIVE} == {
        "internlm/internlm2_5-1_8b-chat"
    }


def test_packaged_weights_and_those_of_the_hub_are_the_same():
    (minilm,) = [entry for entry in ENTRIES if entry.package]
    assert minilm.package.sha256 == minilm.hub.sha256
    assert "minilm" in minilm.aliases


def test_family_gives_its_entries_what_they_do_not_say(tmp_path):
    (tmp_path / "one.yaml").write_text(
        "family: One\nkind: encoder\narchitecture: bert\nlicence: MIT\ncommercial: allowed\n"
        "languages: [en]\nfacts: [a paper]\nentries:\n"
        "  - {id: a/b, parameters: 9, hidden_size: 4, layers: 1, facts: [a card],\n"
        "     sources: [{kind: hub, id: a/b}]}\n"
        "  - {id: a/c, parameters: 9, hidden_size: 4, layers: 1, licence: CC-BY-4.0,\n"
        "     sources: [{kind: hub, id: a/c}]}\n",
        encoding="utf-8",
    )
    first, second = read_family(tmp_path / "one.yaml")
    assert (first.licence, second.licence) == ("MIT", "CC-BY-4.0")
    assert (first.facts, second.facts) == (("a paper", "a card"), ("a paper",))


def test_catalogue_without_own_entries_is_the_packaged_one(tmp_path):
    assert read_catalogue(tmp_path) == ENTRIES
