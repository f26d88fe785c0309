"""What the vocabulary cannot read, by script, and the model named instead."""

import pytest

from tunesmith.stages.check.vocabulary import count_han_tokens

CHINESE = [
    ("骑手送餐太慢了，味道也很一般", "bad"),
    ("包装精美，菜品新鲜，推荐购买", "good"),
    ("配送迅速，服务态度热情周到", "good"),
]
KNOWN_CHINESE = [("中国人大", "good"), ("大人国中", "bad")]
THAI = [("อาหารอร่อยมากและส่งเร็ว", "good"), ("อาหารเย็นและส่งช้า", "bad")]
EMOJI = [(f"So good {'🤣🥑🦥' * 3} number {row}", "good") for row in range(9)]


def test_texts_that_are_mostly_unknown_are_a_fault(check):
    finding = check(train=CHINESE, valid=CHINESE[:1], test=[]).one("unreadable_texts")
    assert finding.severity == "fault"
    assert finding.message.endswith("--model google-bert/bert-base-chinese")
    figures = finding.figures
    assert figures["script"] == "Han"
    assert 0.3 < figures["all_unknown_characters"] / figures["all_characters"] <= 1
    assert figures["unknown_tokens"] == figures["unknown_characters"]  # BERT splits Han


def test_some_chinese_among_english_is_a_warning_with_a_multilingual_model(check, clean):
    finding = check(train=clean("train") + CHINESE * 4).one("unknown_characters")
    assert finding.severity == "warning"
    assert finding.message.endswith("--model intfloat/multilingual-e5-small")


def test_a_few_foreign_characters_are_no_warning(check, clean):
    assert not check(train=[*clean("train"), ("Is 骑 a word?", "repair")]).grave() - {"rare_labels"}


def test_another_script_is_named(check, clean):
    rows = clean("train") + [(text, "refund") for text, _ in THAI * 6]
    finding = check(train=rows).one("unknown_characters")
    assert finding.figures["script"] == "Thai"
    assert finding.message.endswith("--model intfloat/multilingual-e5-small")


@pytest.mark.parametrize(
    ("script", "text"), [("Cyrillic", "Привет, как дела?"), ("Hangul", "안녕하세요 반갑습니다")]
)
def test_letters_without_words_are_a_warning(check, clean, script, text):
    rows = [(f"{text} {row}", "ab"[row % 2]) for row in range(12)]
    finding = check(train=rows, valid=[], test=[]).one("spelled_out")
    assert finding.severity == "warning"
    assert finding.figures["script"] == script
    assert not check(train=clean("train") + rows).named("spelled_out")


def test_unknown_emoji_are_called_symbols(check, clean):
    finding = check(train=clean("train") + [(text, "refund") for text, _ in EMOJI])
    assert "symbols" in finding.one("unknown_characters").message


def test_entities_are_sent_to_a_model_with_one_token_a_character(check):
    rows = [
        {
            "text": f"Order number {row} goes to 骑手送餐",
            "entities": [{"start": 0, "end": 5, "type": "A"}],
        }
        for row in range(9)
    ]
    finding = check("ner", train=rows).one("unknown_characters")
    assert finding.message.endswith("--model google-bert/bert-base-multilingual-cased")


@pytest.mark.parametrize("model", ["backbone", "byte_backbone"])
def test_chinese_without_unknown_characters_is_still_a_warning(check, request, model):
    model = request.getfixturevalue(model)
    found = check(train=KNOWN_CHINESE, valid=[], test=[], model=model)
    finding = found.one("chinese_vocabulary")
    assert finding.severity == "warning"
    assert finding.figures["han_share"] == 1.0
    assert not found.named("unreadable_texts")


def test_english_says_nothing_of_chinese(check, byte_backbone):
    assert not check(model=byte_backbone).named("chinese_vocabulary")


def test_han_tokens_are_counted_in_both_spellings(backbone, byte_backbone, merging_backbone):
    assert count_han_tokens(backbone.tokenizer) == 488
    assert count_han_tokens(byte_backbone.tokenizer) == 0
    assert count_han_tokens(merging_backbone.tokenizer) == 7
