"""Payment cards, Chinese bank cards and international account numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tunesmith.data.masking.checksums import is_luhn, is_mod_97
from tunesmith.data.masking.numerals import Number, joined, stands_alone

LONGEST_CARD = 19
_NETWORKS: tuple[tuple[int, int, frozenset[int]], ...] = tuple(
    (low, high, frozenset(sizes))
    for low, high, sizes in (
        (4000, 4999, (13, 16, 19)),  # Visa
        (5100, 5599, (16,)),  # Mastercard
        (2221, 2720, (16,)),
        (3400, 3499, (15,)),  # American Express
        (3700, 3799, (15,)),
        (3000, 3059, (14, 16)),  # Diners Club
        (3600, 3699, (14, 16)),
        (3800, 3999, (14, 16)),
        (3528, 3589, (16,)),  # JCB
        (6011, 6011, (16, 19)),  # Discover
        (6440, 6599, (16, 19)),
        (5018, 5018, (13, 16, 19)),  # Maestro
        (5020, 5020, (13, 16, 19)),
        (5038, 5038, (13, 16, 19)),
        (6304, 6304, (16, 19)),
        (6759, 6763, (16, 19)),
    )
)
_CHINESE = ("62", "81", "9558", "601382", "601428", "690755")
"""UnionPay's 62 and 81, and national numbers from before it."""

_FIRST_GROUPS = frozenset((4, 6, *range(13, LONGEST_CARD + 1)))
"""Digits that a card's number can begin with, up to its end or a separator."""

_LETTERS = re.compile(r"[A-Za-z]{2}[0-9]{2}")
_LENGTHS = {
    size: frozenset(countries.split())
    for size, countries in {
        15: "NO",
        16: "BE",
        18: "DK FK FO FI GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK MN",
        21: "HR LV LI CH",
        22: "BH BG CR GE DE IE ME RS GB VA",
        23: "GI IL OM SO TL AE IQ",
        24: "AD CZ MD PK RO SA SK ES SE TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MR MC SM",
        28: "AL AZ BY CY DO SV GT HU LB NI PL",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
}
SIZES = {country: size for size, countries in _LENGTHS.items() for country in countries}
"""Signs of an account number by country."""


def find_cards(folded: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of payment cards of the international networks.

    They have the network's first digits and length, and check; their groups are as on a card.
    Source: ISO/IEC 7812-1 (numbering, Luhn's check digit); the networks' published ranges.
    """
    return _find(folded, groups, _is_card)


def find_bank_cards(folded: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of Chinese bank cards: 16 to 19 digits that check.

    Source: ISO/IEC 7812-1; JR/T 0008 (issuers' numbers, 62 above all).
    """
    return _find(folded, groups, _is_bank_card)


def _find(
    folded: str, groups: list[tuple[int, int]], is_one: Callable[[str], bool]
) -> Iterator[tuple[int, int]]:
    for first, (start, end) in enumerate(groups):
        if end - start not in _FIRST_GROUPS:
            continue
        found = None
        for number in joined(folded, groups, first, most=LONGEST_CARD):
            if (
                is_one(number.digits)
                and _is_grouped(number)
                and stands_alone(folded, number.start, number.end)
                and is_luhn(number.digits)
            ):
                found = number
        if found:
            yield found.start, found.end


def _is_card(digits: str) -> bool:
    size, head = len(digits), int(digits[:4])
    return any(low <= head <= high and size in sizes for low, high, sizes in _NETWORKS)


def _is_bank_card(digits: str) -> bool:
    return 16 <= len(digits) <= LONGEST_CARD and digits.startswith(_CHINESE)


def _is_grouped(number: Number) -> bool:
    """Tell whether digits stand in groups as cards print them, or in one."""
    first, *rest = number.sizes
    return not rest or (first in (4, 6) and all(size >= 4 for size in rest[:-1]))


def find_ibans(folded: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches of account numbers, whole or in groups, in capitals or not.

    Source: ISO 13616-1 (form and check); the SWIFT registry of countries (lengths).
    """
    for start in _LETTERS.finditer(folded):
        size = SIZES.get(start[0][:2].upper())
        if size and (found := _collect(folded, start.start(), size)):
            account, end = found
            # In Chinese the word for it may stand without a space: `我的IBANDE89…`.
            begins = start.start() - 4 if _is_named(folded, start.start()) else start.start()
            if stands_alone(folded, begins, end) and is_mod_97(account):
                yield start.start(), end


def _is_named(folded: str, start: int) -> bool:
    return folded[max(0, start - 4) : start].upper() == "IBAN"


def _collect(folded: str, start: int, size: int) -> tuple[str, int] | None:
    """Return the next `size` letters and digits in capitals, and where they end."""
    signs, place = "", start
    while len(signs) < size:
        sign = folded[place : place + 1]
        if sign.isascii() and sign.isalnum():
            signs += sign
        elif sign not in (" ", "-") or folded[place - 1] in " -" or len(signs) % 4:
            return None
        place += 1
    return signs.upper(), place
