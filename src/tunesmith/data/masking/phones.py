"""Telephone numbers: Chinese mobiles by their form, others by how they are written or called."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tunesmith.data.masking.numerals import (
    Number,
    ends_with_word,
    follows_group,
    joined,
    label_before,
    stands_alone,
)

LONGEST_PHONE = 15
"""ITU-T E.164: digits of a number with its country."""

SHORTEST_FOREIGN = 8
SHORTEST_CALLED = 7
PARTED = (" ", "-", ".")
"""Between the groups of a mobile's number."""

WRITTEN = (" ", "-", ".", "/", ") ", ")", " (", "(", ")-", "- ")
OTHERS = (
    *("order", "invoice", "ticket", "tracking", "parcel", "shipment", "ref", "reference", "case"),
    *("serial", "sku", "isbn", "issn", "part", "item", "product", "model", "batch", "lot", "po"),
    *("transaction", "policy", "receipt", "account", "claim", "barcode", "waybill", "imei", "pid"),
    *("订单", "单", "流水", "发票", "商品", "货", "批", "型", "序列", "条形", "条", "保单"),
    *("快递", "包裹", "工", "学", "会员", "房产证", "案件", "版本", "时间戳", "合同", "设备"),
)
"""What a number is called that is no telephone's."""

CALLED = (
    *("tel", "tel.", "telephone", "phone", "mobile", "cell", "fax", "whatsapp", "hotline", "call"),
    *("ring", "dial", "text", "sms", "landline", "reach"),
    *("电话", "手机", "座机", "传真", "热线", "致电", "拨打", "联系方式", "来电", "微信", "短信给"),
)
"""What stands before a telephone number."""

UNITS = tuple("元块美件个条人次年份台吨张%万亿")
_FOUR_MORE = re.compile(r"[ -][0-9]{4}(?![0-9])")
_SECOND = {
    "3": "0123456789",
    "4": "014567",
    "5": "012356789",
    "6": "2567",
    "7": "01235678",
    "8": "0123456789",
    "9": "012356789",
}
"""The third digit of a mobile's number by the second, of those that were given out."""


def find_mobiles(folded: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of Chinese mobiles: 11 digits, whole or in groups, with 86 or without.

    What is called an order or the like, or counted in money or pieces, is none.
    Source: the numbering plan of the telecommunication network (MIIT, 2017 and later), 1XX numbers.
    """
    for first, (begins, ends) in enumerate(groups):
        if ends - begins < 3 and folded[begins:ends] != "86":
            continue
        for number in joined(folded, groups, first, most=LONGEST_PHONE, least=3, separators=PARTED):
            country = next((c for c in ("0086", "86", "") if number.digits.startswith(c)), "")
            digits, sizes = number.digits[len(country) :], number.sizes
            if country and sizes[0] == len(country):
                sizes = sizes[1:]
            if len(digits) == 11 and _is_mobile(digits) and sizes[0] >= 3:
                start = _with_plus(folded, number.start, is_country=bool(country))
                if _is_free(folded, start, number.end):
                    yield start, number.end
    yield from _bracketed(folded, groups)


def _bracketed(folded: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield mobiles behind a country in brackets: `(+86) 138…`."""
    for first, (start, end) in enumerate(groups[:-1]):
        opening = start - 1 if folded[start - 1 : start] == "+" else start
        is_country = folded[start:end] == "86" and folded[opening - 1 : opening] == "("
        if is_country and folded[end : groups[first + 1][0]] in (")", ") "):
            for number in joined(folded, groups, first + 1, most=11, separators=PARTED):
                if len(number.digits) == 11 and _is_mobile(number.digits):
                    yield opening - 1, number.end


def _is_mobile(digits: str) -> bool:
    return digits[0] == "1" and digits[2] in _SECOND.get(digits[1], "")


def _with_plus(folded: str, start: int, *, is_country: bool) -> int:
    return start - 1 if is_country and folded[start - 1 : start] == "+" else start


def _is_other(folded: str, start: int) -> bool:
    return ends_with_word(label_before(folded, start), OTHERS)


def find_phones(folded: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of telephone numbers that are written or called as such.

    Taken as written: `+` or 00 and a country; North American ones in their groups; Chinese
    landlines with their area. Any other number of 7 to 15 digits needs a word for it before it:
    bare digits alone are an order's as well.
    Source: ITU-T E.164 and E.123 (forms); the North American Numbering Plan (NPA-NXX-XXXX).
    """
    for first, (start, end) in enumerate(groups):
        is_plus = folded[start - 1 : start] == "+"
        if end - start < 2 and not is_plus and folded[start:end] != "1":
            continue
        begins = start - 1 if is_plus else start
        if begins and folded[begins - 1] == "(" and ")" in folded[end : end + 4]:
            begins -= 1
        least = 1 if is_plus else 2
        numbers = joined(folded, groups, first, most=LONGEST_PHONE, least=least, separators=WRITTEN)
        for number in reversed(list(numbers)):
            if _is_phone(folded, begins, number, is_plus=is_plus):
                yield begins, number.end
                break


def _is_phone(folded: str, begins: int, number: Number, *, is_plus: bool) -> bool:
    if is_plus:
        is_one = _is_foreign(number.digits)
    else:
        is_one = _is_written(folded, number) or (
            _is_callable(number) and ends_with_word(label_before(folded, begins), CALLED)
        )
    return is_one and _is_free(folded, begins, number.end)


def _is_free(folded: str, begins: int, end: int) -> bool:
    """Tell whether a number, with what opens it, is no part of anything else."""
    before = folded[begins - 1 : begins] if begins else ""
    if folded[begins] in "+(":
        is_part = before.isascii() and (before.isalnum() or before in tuple("_+*/)"))
        is_free = not is_part and stands_alone(f" {folded[end : end + 2]}", 1, 1)
    else:
        is_free = before != "#" and stands_alone(folded, begins, end)
        is_free = is_free and not follows_group(folded, begins)
    return is_free and folded[end : end + 1] not in UNITS and not _is_other(folded, begins)


def _is_foreign(digits: str) -> bool:
    """Tell whether digits behind a plus have a country and a length that it gives."""
    if digits.startswith("1"):
        return len(digits) == 11 and digits[1] in "23456789"
    if digits.startswith("86"):
        return len(digits) in (12, 13) or (len(digits) == 11 and digits[2] != "1")
    return digits[0] != "0" and len(digits) >= SHORTEST_FOREIGN


def _is_written(folded: str, number: Number) -> bool:
    """Tell whether groups are those of a North American number, a Chinese landline, or 00."""
    digits, sizes = number.digits, number.sizes
    if sizes in ((3, 3, 4), (1, 3, 3, 4)):
        area, office = (digits[-10:-7], digits[-7:-4])
        is_prefixed = len(digits) == 10 or digits[0] == "1"
        return is_prefixed and min(area[0], office[0]) >= "2" and area[1:] != "11"
    if digits.startswith("00") and len(sizes) > 1:
        return len(digits) >= SHORTEST_FOREIGN + 2 and _is_foreign(digits[2:])
    if digits[0] == "0" and digits[1:2] != "0" and len(sizes) in (2, 3):
        local = len(digits) - sizes[0]
        if _FOUR_MORE.match(folded, number.end):
            return False  # four groups: a card, or a number of some list
        gap = folded[number.start + sizes[0] : number.start + sizes[0] + 1]
        is_area = sizes[0] in (3, 4) and digits[sizes[0]] in "2345678"
        return is_area and local in (7, 8) and gap in "-) " and (len(sizes) == 2 or sizes[2] == 4)
    return False


def _is_callable(number: Number) -> bool:
    """Tell whether digits behind a word for a telephone may be its number, and are no date."""
    digits, sizes = number.digits, number.sizes
    is_date = sizes in ((4, 2, 2), (8,)) and digits[:2] in ("19", "20") and digits[4:6] <= "12"
    return len(digits) >= SHORTEST_CALLED and not is_date and (len(sizes) == 1 or min(sizes) >= 2)
