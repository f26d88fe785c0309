"""Check digits: what tells a number that was given out from one that only looks like it."""

from __future__ import annotations

CREDIT_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015: digits and letters without I, O, S, V, Z."""

_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECKS = "10X98765432"
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_luhn(digits: str) -> bool:
    """Tell whether the last digit is the check of the others.

    Source: ISO/IEC 7812-1, annex B.

    >>> is_luhn("4111111111111111"), is_luhn("4111111111111112")
    (True, False)
    """
    values = [int(digit) for digit in reversed(digits)]
    return sum(values[0::2] + [_DOUBLED[value] for value in values[1::2]]) % 10 == 0


def is_mod_97(account: str) -> bool:
    """Tell whether an account in capitals, country and check digits first, checks.

    Source: ISO 7064, MOD 97-10, as ISO 13616-1 applies it.

    >>> is_mod_97("GB82WEST12345698765432")
    True
    """
    moved = account[4:] + account[:4]
    return int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def resident_check(digits: str) -> str:
    """Return the last sign of an identity number whose first 17 digits are `digits`.

    Source: GB 11643-1999, which takes ISO 7064, MOD 11-2.
    """
    total = sum(w * int(digit) for w, digit in zip(_RESIDENT_WEIGHTS, digits, strict=True))
    return _RESIDENT_CHECKS[total % 11]


def credit_check(signs: str) -> str:
    """Return the last sign of a social credit code whose first 17 signs are `signs`.

    Source: GB 32100-2015, which takes ISO 7064, MOD 31-3.
    """
    total = sum(CREDIT_LETTERS.index(sign) * pow(3, place, 31) for place, sign in enumerate(signs))
    return CREDIT_LETTERS[-total % 31]
