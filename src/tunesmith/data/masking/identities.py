"""Numbers that China gives to people and to organisations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from tunesmith.data.masking.checksums import CREDIT_LETTERS, credit_check, resident_check
from tunesmith.data.masking.numerals import joined, stands_alone

PROVINCES = frozenset(
    str(number)
    for numbers in (
        *(range(11, 16), range(21, 24), range(31, 38), range(41, 47), range(50, 55)),
        *(range(61, 66), (71, 81, 82, 83)),
    )
    for number in numbers
)
"""GB/T 2260: the first two digits of a region; 71, 81 to 83 are permits of Taiwan, Hong Kong and
Macao."""

RESIDENT_SIGNS = 18
CREDIT_SIGNS = 18
EARLIEST_BIRTH = 1850
LATEST_BIRTH = 2100
_WORD = re.compile(r"[0-9A-Za-z]+")
_REGISTRARS = frozenset("123456789ANY")
_CATEGORIES = frozenset("1234569")


def find_resident_ids(folded: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of identity numbers: region, date of birth, sequence, check sign.

    Those of 15 digits, which were given until 1999 and check nothing, are not looked for.
    Source: GB 11643-1999; GB/T 2260 (regions); GB/T 7408 (dates).
    """
    for first, (start, end) in enumerate(groups):
        if not 3 <= end - start <= RESIDENT_SIGNS:
            continue
        for number in joined(folded, groups, first, most=RESIDENT_SIGNS, least=3):
            signs, end = number.digits, number.end
            if len(signs) == RESIDENT_SIGNS - 1 and folded[end : end + 1] in ("X", "x"):
                signs, end = f"{signs}X", end + 1
            if (
                len(signs) == RESIDENT_SIGNS
                and stands_alone(folded, number.start, end)
                and is_resident(signs)
            ):
                yield number.start, end


def is_resident(signs: str) -> bool:
    """Tell whether 18 signs are an identity number.

    >>> is_resident("11010519491231002X")
    True
    """
    if signs[:2] not in PROVINCES or signs[2:6] == "0000" or signs[14:17] == "000":
        return False
    year, month, day = int(signs[6:10]), int(signs[10:12]), int(signs[12:14])
    if not EARLIEST_BIRTH <= year < LATEST_BIRTH:
        return False
    try:
        date(year, month, day)
    except ValueError:
        return False
    return resident_check(signs[:17]) == signs[17]


def find_credit_codes(folded: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches of unified social credit codes: 18 digits and letters that check.

    Source: GB 32100-2015.
    """
    for word in _WORD.finditer(folded):
        start, end = word.span()
        if end - start == CREDIT_SIGNS and stands_alone(folded, start, end):
            signs = word[0].upper()
            if (
                signs[0] in _REGISTRARS
                and signs[1] in _CATEGORIES
                and signs[2:4] in PROVINCES
                and signs[2:8].isdigit()
                and all(sign in CREDIT_LETTERS for sign in signs)
                and credit_check(signs[:17]) == signs[17]
            ):
                yield start, end
