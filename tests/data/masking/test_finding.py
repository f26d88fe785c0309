"""Where personal data stand: forms, check digits, look-alikes, overlaps and hostile texts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.examples import Span
from tunesmith.core.masking import PATTERNED
from tunesmith.data.masking import (
    accounts,
    addresses,
    emails,
    find_personal,
    identities,
    keep_longest,
    numerals,
    phones,
)
from tunesmith.data.masking.checksums import (
    CREDIT_LETTERS,
    credit_check,
    is_luhn,
    is_mod_97,
    resident_check,
)
from tunesmith.data.masking.folding import fold

HOSTILE = (
    "1 ",
    "22 ",
    "4111-",
    "+",
    "a@",
    "@",
    "1.",
    "a:",
    "1:",
    "GB82 ",
    "(1",
    "138 ",
    "9",
    "a.b@",
)
DIGITS = st.text("0123456789", min_size=11, max_size=18)


def found(text: str, *kinds) -> list[tuple[str, str]]:
    spans = find_personal(text, kinds or PATTERNED)
    return [(text[span.start : span.end], span.type) for span in spans]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我的手机号13800001234，请回电", [("13800001234", "mobile")]),
        ("手机：１３８００００１２３４。", [("１３８００００１２３４", "mobile")]),
        ("138\u200b0000\u200b1234", [("138\u200b0000\u200b1234", "mobile")]),
        ("+86 138 0000 1234", [("+86 138 0000 1234", "mobile")]),
        ("13800001234@mail.example", [("13800001234@mail.example", "email")]),
        ("<ana@example.com>, 或ben＠example．org。", [
            ("ana@example.com", "email"), ("ben＠example．org", "email")]),
        ("4111 1111 1111 1111 12/27", [("4111 1111 1111 1111", "card")]),
        ("4111 1111 1111 1112", []),
        ("GB82 WEST 1234 5698 7654 32 and", [("GB82 WEST 1234 5698 7654 32", "iban")]),
        ("我的IBANGB82WEST12345698765432已失效", [("GB82WEST12345698765432", "iban")]),
        ("GB83 WEST 1234 5698 7654 32", []),
        ("身份证11010519491231002x，", [("11010519491231002x", "resident_id")]),
        ("11010519491331002X", []),
        ("税号91350100M000100Y43。", [("91350100M000100Y43", "credit_code")]),
        ("(212) 555-0123; 1-212-555-0123", [
            ("(212) 555-0123", "phone"), ("1-212-555-0123", "phone")]),
        ("order number 212-555-0123", []),
        ("call 2125550123 but not 2125550123", [("2125550123", "phone")]),
        ("call 2024-05-17", []),
        ("http://192.0.2.1:80 [2001:db8::1]:443", [("192.0.2.1", "ip"), ("2001:db8::1", "ip")]),
        ("version 1.2.3.4, face::add, 12:30:45, 00:1A:2B:3C:4D:5E", []),
        ("logo@2x.png react@18.2.0 root@localhost", []),
    ],
)  # fmt: skip
def test_personal_data_are_found_where_they_stand(text, wanted):
    assert found(text) == wanted


def test_kinds_that_are_not_asked_for_are_not_found():
    text = "ana@example.com 192.0.2.1"
    assert found(text, "ip") == [("192.0.2.1", "ip")]
    assert found(text, "phone") == []


def test_longer_stretch_wins_then_the_kind_then_the_place():
    spans = [Span(0, 4, "phone"), Span(3, 9, "ip"), Span(10, 14, "phone"), Span(10, 14, "mobile")]
    spans += [Span(20, 24, "name"), Span(22, 26, "name")]
    assert keep_longest(spans, size=30) == [
        Span(3, 9, "ip"),
        Span(10, 14, "mobile"),
        Span(20, 24, "name"),
    ]


@given(st.text("12 3-+@.:aX（１：，是", max_size=60))
def test_spans_never_overlap_and_lie_in_the_text(text):
    spans = find_personal(text)
    ends = [0, *(span.end for span in spans)]
    assert all(end <= span.start < span.end for end, span in zip(ends, spans, strict=False))
    assert ends[-1] <= len(text)


@given(st.text(max_size=40))
def test_folding_keeps_every_offset(text):
    assert len(fold(text)) == len(text)


@given(DIGITS, st.integers(0, 10), st.integers(1, 9))
def test_check_digits_notice_one_wrong_digit(digits, place, step):
    other = digits[:place] + str((int(digits[place]) + step) % 10) + digits[place + 1 :]
    right = next(digit for digit in "0123456789" if is_luhn(digits + digit))
    assert not is_luhn(other + right)
    body = digits.ljust(17, "1")[:17]
    changed = other.ljust(17, "1")[:17]
    assert resident_check(body) != resident_check(changed)
    assert credit_check(body) != credit_check(changed)


def test_check_digits_are_those_of_published_examples():
    assert is_luhn("79927398713")
    assert is_mod_97("DE89370400440532013000")
    assert resident_check("11010519491231002") == "X"
    assert credit_check("91350100M000100Y4") == "3"
    assert len(CREDIT_LETTERS) == 31


def looks(monkeypatch, text: str) -> int:
    """Return how many groups were joined and labels read to search a text: the costly looks."""
    count = 0

    def counted(function):
        def call(*args, **settings):
            nonlocal count
            found = function(*args, **settings)
            if isinstance(found, str):
                count += 1
                return found
            numbers = list(found)
            count += 1 + len(numbers)
            return iter(numbers)

        return call

    with monkeypatch.context() as patch:
        for module in (accounts, identities, phones):
            patch.setattr(module, "joined", counted(numerals.joined))
        for module in (addresses, phones):
            patch.setattr(module, "label_before", counted(numerals.label_before))
        find_personal(text)
    return count


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_costs_as_much_as_it_is_long(unit, monkeypatch):
    """Twice the text, at most about twice the looks; each look is bounded by its kind."""
    short, long = (looks(monkeypatch, unit * (size // len(unit))) for size in (4_000, 8_000))
    assert long <= 2 * short + 100


def test_text_of_200_000_characters_is_searched_whole():
    text = "4-1 @" * 40_000 + " ana@example.com"
    assert found(text)[-1] == ("ana@example.com", "email")


def test_patterns_cannot_backtrack():
    """No pattern repeats what repeats in itself, but parts that begin with a sign of their own."""
    patterns = [
        value
        for module in (accounts, addresses, emails, identities, numerals, phones)
        for value in vars(module).values()
        if isinstance(value, re.Pattern)
    ]
    assert len(patterns) >= 6
    for pattern in patterns:
        nested = re.findall(r"\(\?:(.*?)\)[*+]", pattern.pattern)
        assert all(inner.startswith(r"\.") for inner in nested), pattern.pattern
        assert not re.search(r"\.[*+]", pattern.pattern.replace(r"\.", "")), pattern.pattern
