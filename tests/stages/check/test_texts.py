"""Empty texts and wrong encodings."""

import pytest

from tunesmith.stages.check.texts import find_damage

HONEST = [
    "Is the trade discount open to small cafés?",
    "CAFÉ® and CAFÉ™ are names; “AMANHÃ” too",
    "« il a chanté\u00a0» puis il s’est arrêté…»",
    "Ümlaut, naïve façade, ÂME, âge, PHÂN",
    "Ð is an Icelandic letter, Ñandú is a bird",
    "今天天气很好，我们去公园吧。",
    "通 联通 電腦 こんにちは",
    "Привет, как дела? 5 € – 10 €",
    "😀👍🏽 done…",
]
MEANT = {
    "CP1252": ["don’t worry", "a café in Köln", "Привет", "你好，世界", "30 °C", "wait…", "fun 😂"],
    "GB18030": ["你好，世界，我们走吧", "今天天气很好。"],
}


@pytest.mark.parametrize("text", HONEST)
def test_honest_text_is_not_damaged(text):
    assert find_damage(text) is None


@pytest.mark.parametrize(
    ("encoding", "text"), [(name, text) for name, texts in MEANT.items() for text in texts]
)
def test_utf8_read_as_something_else_is_told(encoding, text):
    read = text.encode().decode(encoding.lower(), "ignore").replace("\ufffd", "")
    assert find_damage(f"It says: {read}") == encoding


@pytest.mark.parametrize("text", ["caf\ufffd", "锟斤拷锟斤拷", "cafï¿½"])
def test_lost_characters_are_told(check, clean, text):
    finding = check(train=[*clean("train"), (f"Order at the {text} now", "repair")])
    assert finding.one("lost_characters").severity == "warning"
    assert find_damage(text) == "lost"


def test_a_misread_file_gets_the_command_that_repairs_it(check, clean):
    rows = [(f"{text} It didnâ€™t help.", label) for text, label in clean("train")]
    finding = check(train=rows).one("misread_encoding")
    assert finding.message.endswith("iconv -f UTF-8 -t CP1252 train.csv > train.csv.utf8")


def test_a_few_misread_rows_do_not_put_the_file_at_risk(check, clean):
    rows = [(f"{text} Déjà vu.", label) for text, label in clean("train")]
    finding = check(train=[*rows, ("It didnâ€™t help.", "repair")]).one("misread_encoding")
    assert "iconv" not in finding.message
    assert finding.places == ("train.csv:110",)


def test_one_row_of_thousands_is_only_noted(check, clean):
    rows = [(f"Lamp number {row} is broken", "repair") for row in range(1100)]
    finding = check(train=[*clean("train"), *rows, ("A caf\ufffd", "repair")])
    assert finding.one("lost_characters").severity == "note"


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u200b\ufeff", "\x00\x07", "\ufffd"])
def test_nothing_to_read_is_a_warning_with_its_place(check, clean, text):
    finding = check(train=[*clean("train"), (text, "repair")]).one("empty_texts")
    assert finding.severity == "warning"
    assert finding.places == ("train.csv:110",)


def test_mostly_empty_texts_are_a_fault(check):
    rows = [("" if row % 3 else f"text {row}", "ab"[row % 2]) for row in range(30)]
    assert check(train=rows, valid=[], test=[]).one("empty_texts").severity == "fault"


@pytest.mark.parametrize("text", ["?", "…", "5", "骑", "☃"])
def test_short_is_not_empty(check, clean, text):
    assert not check(train=[*clean("train"), (text, "repair")]).named("empty_texts")
