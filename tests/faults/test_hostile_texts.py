"""Labels, texts and names that would be markup, commands or paths to a careless reader."""

from __future__ import annotations

import html
import json

import pytest

LABELS = ("<script>alert('x')</script>", "</td><img src=x onerror=alert(1)>", "[/bold]", "=1+1")


@pytest.fixture
def hostile_rows(write, rows) -> str:
    lines = []
    for number, line in enumerate(rows[1:]):
        text = line.rpartition(",")[0] + " <script>alert('text')</script> [/red]"
        lines.append(json.dumps({"text": text, "label": LABELS[number % 2 + number % 4 // 2 * 2]}))
    write("hostile.jsonl", "\n".join(lines) + "\n")
    return "hostile.jsonl"


def test_labels_and_texts_with_markup_are_shown_as_text(hostile_rows, type_in, fit_words, here):
    typed = type_in("fit", hostile_rows, *fit_words)
    assert typed.status == 0, typed.err
    page = (here / "out/bundle/report.html").read_text("utf-8")
    for label in LABELS[:2]:
        assert label not in page
        assert html.escape(label, quote=False) in page or html.escape(label) in page
    assert "<script>alert('text')" not in page
    assert "<script>" not in (here / "out/bundle/README.md").read_text("utf-8")
    config = json.loads((here / "out/bundle/model/config.json").read_text("utf-8"))
    assert sorted(config["id2label"].values()) == sorted(LABELS)

    text = "a [/bold] text <script>"
    predicted = type_in("predict", "out", text)
    assert predicted.status == 0
    assert text in predicted.out
    assert type_in("evaluate", "out", hostile_rows, "--out", "report").status == 0
    assert "<script>alert" not in (here / "report/report.html").read_text("utf-8")


def test_names_that_look_like_markup_are_shown_as_they_are(
    rows, write, type_in, fit_words, here, tiny_model
):
    name = "[red]/[/blue].csv"
    write(name, "\n".join(rows) + "\n")
    words = ("check", name, "--task", "classification", "--model", tiny_model)
    checked = type_in(*words)
    assert checked.status == 0, checked.err
    assert name in checked.out
    typed = type_in("fit", name, *fit_words[:-1], "[out]/[/out]")
    assert typed.status == 0, typed.err
    assert "[out]/[/out]/bundle" in typed.out
    assert (here / "[out]/[/out]/bundle/bundle.json").is_file()
    listed = type_in("runs")
    assert listed.status == 0, listed.err
    assert "[/out]" in listed.out


def test_control_characters_of_a_text_do_not_reach_the_terminal(bundle, type_in):
    typed = type_in("predict", bundle, "my \x1b[2J\x1b]0;title\x07 order\rgone")
    assert typed.status == 0
    assert not {"\x1b", "\x07", "\r"} & set(typed.out)
    assert "\\x1b[2J" in typed.out


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b", "a" * 100_000, "\U0001f600" * 500, "e\u0301" * 1000]
)
def test_any_text_gets_an_answer(bundle, type_in, text):
    typed = type_in("predict", bundle, text, "--json")
    assert typed.status == 0, typed.err
    assert json.loads(typed.out)["predictions"][0]["label"] in ("good", "bad")


def test_text_with_bytes_of_another_encoding_is_refused(bundle, refuse):
    text = b"caf\xe9".decode("utf-8", "surrogateescape")
    says = ("each text must be UTF-8; text 2 has 'caf\\udce9'",)
    refuse("predict", bundle.name, "my order", text, status=2, says=says)
