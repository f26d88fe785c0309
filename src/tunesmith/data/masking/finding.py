"""Where personal data stand in a text: all kinds, without overlaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tunesmith.core.examples import Span
from tunesmith.core.masking import NAME, PATTERNED, Patterned
from tunesmith.data.masking.accounts import find_bank_cards, find_cards, find_ibans
from tunesmith.data.masking.addresses import find_ips
from tunesmith.data.masking.emails import find_emails
from tunesmith.data.masking.folding import fold
from tunesmith.data.masking.identities import find_credit_codes, find_resident_ids
from tunesmith.data.masking.numerals import digit_groups
from tunesmith.data.masking.phones import find_mobiles, find_phones

_DIGIT = re.compile(r"[0-9]")
_RANK = {kind: number for number, kind in enumerate((*PATTERNED, NAME))}


def find_personal(
    text: str, kinds: Sequence[Patterned] = PATTERNED, *, names: Iterable[Span] = ()
) -> list[Span]:
    """Return the stretches of `text` that are of some kinds, in order, without overlaps.

    `names` are stretches that a model found. The time is linear in the length of the text.

    >>> find_personal("我的手机号13800001234，请回电")
    [Span(start=5, end=16, type='mobile')]
    """
    folded = fold(text)
    found = [Span(*place, kind) for kind, place in _find(folded, frozenset(kinds))]
    return keep_longest([*found, *names], size=len(text))


def _find(folded: str, kinds: frozenset[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    if "email" in kinds and "@" in folded:
        yield from (("email", place) for place in find_emails(folded))
    if not _DIGIT.search(folded):
        return
    groups = digit_groups(folded)
    if "iban" in kinds:
        yield from (("iban", place) for place in find_ibans(folded))
    if "credit_code" in kinds:
        yield from (("credit_code", place) for place in find_credit_codes(folded))
    if "ip" in kinds and ("." in folded or ":" in folded):
        yield from (("ip", place) for place in find_ips(folded))
    for kind, find in (
        ("resident_id", find_resident_ids),
        ("card", find_cards),
        ("bank_card", find_bank_cards),
        ("mobile", find_mobiles),
        ("phone", find_phones),
    ):
        if kind in kinds:
            yield from ((kind, place) for place in find(folded, groups))


def keep_longest(spans: Iterable[Span], *, size: int) -> list[Span]:
    """Return spans of which none overlap, in order.

    The one rule: a longer stretch wins over a shorter; of equally long ones the kind that stands
    first in `PATTERNED`, names last; of one kind the one that begins first.
    """
    ranked = sorted(spans, key=lambda s: (s.start - s.end, _RANK.get(s.type, 99), s.start))
    taken = bytearray(size)
    kept = []
    for span in ranked:
        # Whatever was taken is at least as long, so an overlap shows at one end.
        if span.start < span.end and not taken[span.start] and not taken[span.end - 1]:
            taken[span.start : span.end] = b"\1" * (span.end - span.start)
            kept.append(span)
    return sorted(kept)
