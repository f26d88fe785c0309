"""Our corpus BLEU and chrF against sacreBLEU's own corpus functions, tolerance 1e-9."""

import numpy as np
import pytest
import sacrebleu
from sacrebleu.metrics import BLEU, CHRF

from tunesmith.measure.translation import translation_counts, translation_statistics

TOLERANCE = 1e-9
WORDS = {
    "13a": ["a", "dog", "dogs", "runs,", "fast;", "(so)", "&", '"so"', "3.5", "it's", "läuft"],
    "zh": [*"一只黑狗在草地上跑，。", "GPU", "3.5%", " "],
}


def drawn(tokenizer, *, rows, references, seed):
    """Return references and half-right translations; some rows are empty, some lack references."""
    generator = np.random.default_rng(seed)
    glue = "" if tokenizer == "zh" else " "
    words = np.array(WORDS[tokenizer])

    def sentence(base):
        kept = generator.random(len(base)) < 0.7
        drawn = generator.choice(words, size=len(base))
        return glue.join(np.where(kept, base, drawn)[: generator.integers(len(base) + 1)])

    texts, predicted = [], []
    for _ in range(rows):
        base = generator.choice(words, size=generator.integers(1, 18))
        texts.append([glue.join(base), *(sentence(base) for _ in range(references - 1))])
        predicted.append(sentence(base))
    if references > 1:
        texts[0] = texts[0][:1]
    return texts, predicted


def streams(texts):
    """Return references as sacreBLEU takes them."""
    most = max(map(len, texts))
    return [[row[place] if place < len(row) else None for row in texts] for place in range(most)]


@pytest.mark.parametrize("tokenizer", ["13a", "zh"])
@pytest.mark.parametrize("references", [1, 3])
@pytest.mark.parametrize("rows", [1, 5, 120])
def test_bleu_and_chrf_equal_sacrebleu(tokenizer, references, rows):
    texts, predicted = drawn(tokenizer, rows=rows, references=references, seed=rows)
    counts = translation_counts(texts, predicted, tokenize=tokenizer)
    values = translation_statistics(counts)(np.ones(rows, dtype=np.int64))
    bleu = sacrebleu.corpus_bleu(predicted, streams(texts), tokenize=tokenizer).score
    chrf = sacrebleu.corpus_chrf(predicted, streams(texts)).score
    assert values == pytest.approx({"bleu": bleu, "chrf": chrf}, abs=TOLERANCE, rel=0)
    for metric, signature in (
        (BLEU(tokenize=tokenizer), counts.bleu_signature),
        (CHRF(), counts.chrf_signature),
    ):
        metric.corpus_score(predicted, streams(texts))
        assert signature == str(metric.get_signature())


def test_a_resample_equals_sacrebleu_on_its_rows():
    texts, predicted = drawn("13a", rows=80, references=2, seed=3)
    weights = np.bincount(np.random.default_rng(1).integers(80, size=80), minlength=80)
    again = np.repeat(np.arange(80), weights)
    chosen, translated = [texts[row] for row in again], [predicted[row] for row in again]
    values = translation_statistics(translation_counts(texts, predicted))(weights)
    bleu = sacrebleu.corpus_bleu(translated, streams(chosen)).score
    chrf = sacrebleu.corpus_chrf(translated, streams(chosen)).score
    assert values == pytest.approx({"bleu": bleu, "chrf": chrf}, abs=TOLERANCE, rel=0)
