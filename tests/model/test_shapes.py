"""Layers of an entry's shape: what is built, what is read, and what cannot be."""

from __future__ import annotations

import pytest
import torch

from tunesmith.core.errors import ForeignError
from tunesmith.core.examples import TextInput
from tunesmith.model.encoding import encode_windows
from tunesmith.model.framing import Reading
from tunesmith.model.known import find_entry
from tunesmith.model.known.catalogue import packaged_entries
from tunesmith.model.layer_vectors import layer_averages
from tunesmith.model.outlines import config_of, count_weights, is_native
from tunesmith.model.shapes import VOCABULARY, build_shape, shape_bytes, shape_config, shape_text

READING = Reading(max_length=64, stride=0, long_text="truncate", case_shape=False, apart=True)
BY_ARCHITECTURE = {
    entry.architecture: entry
    for entry in sorted(packaged_entries(), key=lambda entry: -entry.parameters)
    if entry.kind in ("encoder", "seq2seq", "causal") and is_native(entry.architecture)
}
"""The smallest entry of each architecture that reads text alone."""


def test_every_architecture_of_text_is_looked_at():
    assert len(BY_ARCHITECTURE) >= 20


@pytest.mark.parametrize("name", BY_ARCHITECTURE)
def test_layers_are_alike_and_as_many_as_asked_for(name):
    entry = BY_ARCHITECTURE[name]
    one, two, three = (shape_bytes(entry, layers=layers) for layers in (1, 2, 3))
    assert three - two == two - one > 0
    whole, cut = config_of(entry), shape_config(entry, layers=3)
    assert cut.num_hidden_layers == 3
    assert cut.hidden_size == whole.hidden_size
    assert cut.vocab_size == VOCABULARY
    assert 0 <= (cut.pad_token_id or 0) < VOCABULARY


def test_shape_of_full_depth_lacks_only_the_vocabulary():
    entry = find_entry("bert-base-uncased")
    lacking = (entry.vocabulary - VOCABULARY) * entry.hidden_size
    assert shape_bytes(entry, layers=entry.layers) == 4 * (entry.parameters - lacking)


@pytest.mark.parametrize("name", ["minilm", "google/electra-small-discriminator", "t5-small"])
def test_shape_reads_its_text_as_a_model_does(name):
    entry = find_entry(name)
    shape = build_shape(entry, layers=1)
    (window,) = encode_windows(shape.tokenizer, [TextInput(shape_text(20))], READING)
    assert len(window.ids) == 20
    vectors = layer_averages(shape, [window], device=torch.device("cpu"), precision="fp32")
    assert vectors.shape == (1, entry.hidden_size)
    assert count_weights(shape.model) * 4 == shape_bytes(entry, layers=1)


def test_shape_is_the_same_every_time_and_leaves_chance_alone():
    entry = find_entry("google/bert_uncased_L-2_H-128_A-2")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (build_shape(entry, layers=1).model.state_dict() for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_entry_whose_sizes_do_not_go_together_is_named():
    broken = find_entry("minilm").model_copy(update={"heads": 7})
    with pytest.raises(ForeignError, match=r"building `.*MiniLM-L6-v2` from its sizes failed"):
        build_shape(broken, layers=1)
