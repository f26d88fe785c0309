"""Bundles in LangChain's own classes: vector stores, chains, batches."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore

import tunesmith
from tunesmith.core.errors import DataError, SpecError
from tunesmith.integrations.langchain import BundleEmbeddings, BundleRunnable
from tunesmith.runtime.engine import text_vectors
from tunesmith.runtime.loading import load_engine

TEXTS = ["the card is good", "my order is bad and broken", "late"]


@pytest.fixture(scope="module")
def embeddings(embedder_bundle):
    return BundleEmbeddings(str(embedder_bundle), device="cpu")


@pytest.fixture(scope="module")
def runnable(classifier_bundle):
    return BundleRunnable(str(classifier_bundle), device="cpu", demands={"all_scores": True})


def test_vectors_are_those_of_the_bundle_at_length_one(embeddings, embedder_bundle):
    found = np.array(embeddings.embed_documents(TEXTS))
    ours = text_vectors(load_engine(embedder_bundle), TEXTS)
    ours /= np.linalg.norm(ours, axis=1, keepdims=True)
    np.testing.assert_allclose(found, ours, atol=1e-5)
    np.testing.assert_allclose(embeddings.embed_query(TEXTS[1]), found[1], atol=1e-5)
    assert embeddings.embed_documents([]) == []
    assert np.allclose(asyncio.run(embeddings.aembed_query(TEXTS[1])), found[1], atol=1e-5)


def test_vector_store_finds_a_text_by_itself(embeddings):
    store = InMemoryVectorStore(embeddings)
    store.add_documents([Document(page_content=text) for text in TEXTS])
    for text in TEXTS:
        ((found, score),) = store.similarity_search_with_score(text, k=1)
        assert found.page_content == text
        assert score == pytest.approx(1.0, abs=1e-5)


def test_bundle_without_vectors_is_refused(classifier_bundle):
    with pytest.raises(SpecError, match="tuned to compare them"):
        BundleEmbeddings(str(classifier_bundle))


def test_runnable_answers_as_predict_does_alone_in_batches_and_in_chains(
    runnable, classifier_bundle
):
    wanted = tunesmith.predict(str(classifier_bundle), texts=TEXTS, all_scores=True).predictions
    for found, right in zip(runnable.batch(TEXTS), wanted, strict=True):
        assert found["label"] == right["label"]
        assert found["scores"] == pytest.approx(right["scores"], abs=1e-5)
    assert runnable.invoke({"text": TEXTS[0]})["label"] == wanted[0]["label"]
    chain = RunnableLambda(str.strip) | runnable | RunnableLambda(lambda row: row["label"])
    assert chain.batch([f" {text} " for text in TEXTS]) == [row["label"] for row in wanted]
    assert asyncio.run(runnable.ainvoke(TEXTS[1]))["label"] == wanted[1]["label"]
    assert runnable.batch([]) == []


def test_bad_row_spoils_no_other_row_of_a_batch(runnable):
    rows = [TEXTS[0], {"txt": "no such role"}, TEXTS[1]]
    first, wrong, last = runnable.batch(rows, return_exceptions=True)
    assert first["text"] == TEXTS[0]
    assert last["text"] == TEXTS[1]
    assert isinstance(wrong, DataError)
    with pytest.raises(DataError, match="text"):
        runnable.batch(rows)
