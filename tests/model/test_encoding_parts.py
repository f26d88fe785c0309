"""Windows of pairs, questions, choices and marked stretches: as in transformers, nothing lost."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tunesmith.core.examples import ChoiceInput, MarkedInput, PairInput, QuestionInput
from tunesmith.model.backbones import load_tokenizer
from tunesmith.model.batching import collate_arrays
from tunesmith.model.encoding import count_tokens, encode_windows
from tunesmith.model.framing import Reading, Window, find_frame, find_pair_frame
from tunesmith.model.tokenizers import read_tokenizer
from tunesmith.model.windows import FlatWindows, pack_windows

FIELDS = ("ids", "words", "positions", "shapes", "followers", "ends", "marks")
LONG = " ".join(f"the order {number} is good" for number in range(60))
MIDDLE = " ".join(f"my card {number}" for number in range(30))
TEXTS = ["", "good", "my order is late", "我们想要 order!", MIDDLE, LONG]
VOCABULARY = ["a", "order", "card", "我", "is", "好", "!", "refunds", "19th"]
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=40)


@pytest.fixture(scope="module")
def bert(tiny_model):
    return load_tokenizer(tiny_model)


@pytest.fixture(scope="module")
def roberta():
    """Return a byte-level tokenizer that frames as RoBERTa's does, without types."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: n for n, token in enumerate(["<s>", "<pad>", "</s>", *letters])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


@pytest.fixture(params=["bert", "roberta"])
def tokenizer(request):
    return request.getfixturevalue(request.param)


def read(tokenizer, item, **wishes) -> list[Window]:
    settled = {"max_length": 32, "stride": 6, "long_text": "windows", "case_shape": False}
    return list(encode_windows(tokenizer, [item], Reading(**{**settled, **wishes})))


def bare(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def both_parts(tokenizer, window: Window) -> tuple[list[int], list[int]]:
    """Return the tokens of the first and of the second text, told apart by the special ones."""
    frame = find_pair_frame(tokenizer)
    ids = window.ids.tolist()
    assert tuple(ids[: len(frame.before)]) == frame.before
    assert tuple(ids[len(ids) - len(frame.after) :]) == frame.after
    inner = ids[len(frame.before) : len(ids) - len(frame.after)]
    size = len(frame.between)
    (at,) = [n for n in range(len(inner)) if tuple(inner[n : n + size]) == frame.between]
    return inner[:at], inner[at + size :]


def same(one: Window, other: Window) -> bool:
    plain = [(w.row, w.share, w.second, w.slot, w.answers) for w in (one, other)]
    mine, yours = ([getattr(w, name) for name in FIELDS] for w in (one, other))
    return plain[0] == plain[1] and all(
        (a is None and b is None) or (a is not None and np.array_equal(a, b))
        for a, b in zip(mine, yours, strict=True)
    )


@pytest.mark.parametrize("first", ["", "good", "my order is late", "19th 我"])
@pytest.mark.parametrize("second", ["", "bad card", "订单很好!"])
def test_pair_is_framed_and_typed_as_transformers_does(tokenizer, first, second):
    (window,) = read(tokenizer, PairInput(first, second), max_length=64)
    theirs = tokenizer([first], [second], return_token_type_ids=True)
    assert window.ids.tolist() == theirs["input_ids"][0]
    types = collate_arrays([window], pad_id=0).get("token_type_ids", np.zeros((1, len(window.ids))))
    assert types[0].tolist() == theirs["token_type_ids"][0]
    assert (window.share, window.slot, window.words) == (1.0, None, None)


def test_pair_frame_has_types_only_where_the_tokenizer_gives_them(bert, roberta):
    frame = find_pair_frame(bert)
    assert (frame.has_types, len(frame)) == (True, 3)
    assert (frame.before, frame.between) == (find_frame(bert).before, find_frame(bert).after)
    assert (find_pair_frame(roberta).has_types, len(find_pair_frame(roberta))) == (False, 4)


def test_pair_frame_of_a_tokenizer_read_from_its_file_is_the_same(bert, tiny_model):
    bare_one = read_tokenizer(tiny_model)
    assert find_pair_frame(bare_one) == find_pair_frame(bert)
    for item in (
        PairInput("good", LONG),
        QuestionInput("a", LONG),
        ChoiceInput("", "a", ("b", "")),
    ):
        assert all(map(same, read(bare_one, item), read(bert, item)))


@pytest.mark.parametrize("first", TEXTS)
@pytest.mark.parametrize("second", TEXTS)
def test_long_pair_every_token_of_both_lies_in_a_window(bert, first, second):
    windows = read(bert, PairInput(first, second))
    assert max(len(window.ids) for window in windows) <= 32
    assert sum(window.share for window in windows) == pytest.approx(1.0)
    parts = [both_parts(bert, window) for window in windows]
    for number, whole in enumerate((bare(bert, first), bare(bert, second))):
        shown = list(dict.fromkeys(tuple(part[number]) for part in parts))
        assert _covers(shown, whole)
        if len(whole) <= (32 - 3) // 2:
            assert shown == [tuple(whole)]


def _covers(pieces: list[tuple[int, ...]], whole: list[int]) -> bool:
    """Tell whether pieces, in their order and overlapping or not, show all of `whole`."""
    done = 0
    for piece in pieces:
        starts = range(done, -1, -1)
        at = next(n for n in starts if tuple(whole[n : n + len(piece)]) == piece)
        done = max(done, at + len(piece))
    return done == len(whole)


def test_long_pair_truncated_is_one_window(bert):
    (window,) = read(bert, PairInput(LONG, MIDDLE), long_text="truncate")
    first, second = both_parts(bert, window)
    assert len(window.ids) == 32
    assert first == bare(bert, LONG)[: len(first)]
    assert second == bare(bert, MIDDLE)[: len(second)]
    assert abs(len(first) - len(second)) <= 1


def test_pair_read_apart_has_windows_of_a_text_each(bert):
    windows = read(bert, PairInput("good card", LONG), apart=True)
    assert [window.slot for window in windows] == [0] + [1] * (len(windows) - 1)
    assert len(windows) > 3
    assert windows[0].ids.tolist() == bert("good card")["input_ids"]
    assert _covers([tuple(window.ids[1:-1].tolist()) for window in windows[1:]], bare(bert, LONG))
    for slot in (0, 1):
        assert sum(w.share for w in windows if w.slot == slot) == pytest.approx(1.0)
    assert all(window.second == 0 for window in windows)


@settings(max_examples=60)
@given(question=WORDS.map(" ".join), context=WORDS.map(" ".join))
def test_question_is_in_every_window_and_its_context_is_all_shown(bert, question, context):
    windows = read(bert, QuestionInput(question, context))
    asked, told = bare(bert, question), bare(bert, context)
    offsets = bert(context, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    seen = set()
    for window in windows:
        first, second = both_parts(bert, window)
        assert first == asked[: (32 - 3) // 2]
        assert (window.words[0], window.ends[0], window.positions[0]) == (-1, -1, 0)
        stretches = list(zip(window.words[1:].tolist(), window.ends[1:].tolist(), strict=True))
        assert window.ids[window.positions[1:]].tolist() == second
        at = [offsets.index(stretch) for stretch in stretches]
        assert [told[n] for n in at] == second
        seen.update(at)
        assert window.answers == 1 + len(second)
    assert seen == set(range(len(told)))
    assert sum(window.share for window in windows) == pytest.approx(1.0)


def test_question_entries_give_back_the_text_of_the_context(bert):
    context = "  The 订单 is\tLATE, refund\u00e9 it! "
    (window,) = read(bert, QuestionInput("where", context), max_length=64)
    for word, end, position in zip(window.words, window.ends, window.positions, strict=True):
        if word >= 0:
            token = bert.convert_ids_to_tokens(int(window.ids[position])).removeprefix("##")
            shown = context[word:end]
            assert shown.strip() == shown != ""
            assert token in ("[UNK]", shown.lower(), "e")
    assert window.words[1] == 2


def test_question_in_transformers_is_the_same_window(tokenizer):
    (window,) = read(tokenizer, QuestionInput("where", "my order"), max_length=64)
    assert window.ids.tolist() == tokenizer("where", "my order")["input_ids"]


def test_question_about_nothing_has_the_entry_for_no_answer_alone(bert):
    (window,) = read(bert, QuestionInput("where", ""))
    assert window.words.tolist() == window.ends.tolist() == [-1]


def test_choices_stand_behind_context_and_question_in_a_slot_each(bert):
    item = ChoiceInput("my card", "is it", ("good", "bad", "late order"))
    windows = read(bert, item)
    assert [window.slot for window in windows] == [0, 1, 2]
    for window, choice in zip(windows, item.choices, strict=True):
        first, second = both_parts(bert, window)
        assert first == bare(bert, "my card")
        assert second == bare(bert, "is it") + bare(bert, choice)


def test_choices_without_a_context_stand_behind_the_question(bert):
    windows = read(bert, ChoiceInput("", "is it", ("good", "")))
    assert [both_parts(bert, window) for window in windows] == [
        (bare(bert, "is it"), bare(bert, "good")),
        (bare(bert, "is it"), []),
    ]


def test_choices_about_a_long_context_show_all_of_it_with_each_choice(bert):
    windows = read(bert, ChoiceInput(LONG, "is it", ("good", "bad card")))
    for slot, choice in enumerate(("good", "bad card")):
        own = [window for window in windows if window.slot == slot]
        assert len(own) > 3
        assert sum(window.share for window in own) == pytest.approx(1.0)
        parts = [both_parts(bert, window) for window in own]
        assert {tuple(second) for _, second in parts} == {
            tuple(bare(bert, "is it") + bare(bert, choice))
        }
        assert _covers([tuple(first) for first, _ in parts], bare(bert, LONG))


def test_choices_keep_the_choice_where_the_question_is_too_long(bert):
    for window in read(bert, ChoiceInput("my card", LONG, ("good", "bad card"))):
        _, second = both_parts(bert, window)
        choice = bare(bert, ("good", "bad card")[window.slot])
        assert second[-len(choice) :] == choice
        assert max(len(window.ids), 32) == 32


def stretch_of(text: str, part: str) -> tuple[int, int]:
    start = text.index(part)
    return start, start + len(part)


def tokens_of(tokenizer, window: Window) -> list[str]:
    return tokenizer.convert_ids_to_tokens(window.ids.tolist())


@pytest.mark.parametrize(
    ("head", "tail", "tokens"),
    [
        ("order", "late", "my @ order @ is # late #"),
        ("late", "order", "my # order # is @ late @"),
        ("my", "late", "@ my @ order is # late #"),
        ("my order", "is", "@ my order @ # is # late"),
        ("is", "my order", "# my order # @ is @ late"),
        ("my order is", "order", "@ my # order # is @ late"),
        ("order", "my order is", "# my @ order @ is # late"),
        ("my order is late", "late", "@ my order is # late @ #"),
    ],
)
def test_marks_stand_right_before_and_after_both_stretches(bert, head, tail, tokens):
    words = "my order is late"
    item = MarkedInput(words, stretch_of(words, head), stretch_of(words, tail))
    (window,) = read(bert, item)
    assert tokens_of(bert, window)[1:-1] == tokens.split()
    signs = bert.convert_ids_to_tokens(window.ids[window.marks].tolist())
    assert signs == ["@", "#"]
    after = [tokens_of(bert, window)[mark + 1 :] for mark in window.marks]
    for part, rest in zip((head, tail), after, strict=True):
        assert [token for token in rest if token not in "@#"][: len(part.split())] == part.split()


def test_marks_of_one_and_the_same_stretch_are_two(bert):
    (window,) = read(bert, MarkedInput("my order", (3, 8), (3, 8)))
    assert tokens_of(bert, window)[1:-1] == ["my", "@", "#", "order", "@", "#"]
    assert window.marks.tolist() == [2, 3]


def test_marks_with_types_name_them_before_the_stretch(bert):
    (window,) = read(bert, MarkedInput("my order", (0, 2), (3, 8), ("card", "")))
    own = "@ * card * my @ # order #"
    signs = bert.convert_tokens_to_ids("*"), bert.convert_tokens_to_ids("card")
    assert len(window.ids) == len(own.split()) + 2
    assert window.ids[2] == window.ids[4] == signs[0]
    assert window.ids[3] == signs[1]
    assert window.marks.tolist() == [1, 7]


@given(data=st.data(), words=WORDS.filter(len), typed=st.booleans())
def test_marks_are_found_at_any_place_of_any_text(bert, data, words, typed):
    whole = " ".join(words)
    places = st.tuples(st.integers(0, len(whole) - 1), st.integers(1, len(whole)))
    head, tail = (
        data.draw(places.filter(lambda pair: pair[0] < pair[1]), label=name)
        for name in ("head", "tail")
    )
    types = ("card", "order") if typed else ("", "")
    (window,) = read(bert, MarkedInput(whole, head, tail, types))
    assert len(window.ids) <= 32
    assert bert.convert_ids_to_tokens(window.ids[window.marks].tolist()) == ["@", "#"]
    assert window.ids[0] == bert.cls_token_id
    assert window.ids[-1] == bert.sep_token_id


@pytest.mark.parametrize("head", ["order 0", "order 31", "order 59"])
@pytest.mark.parametrize("tail", ["order 2", "order 30", "order 58"])
def test_marks_in_a_text_longer_than_a_window_keep_both_with_what_is_near(bert, head, tail):
    item = MarkedInput(LONG, stretch_of(LONG, head), stretch_of(LONG, tail))
    (window,) = read(bert, item)
    assert len(window.ids) == 32
    shown = tokens_of(bert, window)
    for mark, sign, part in zip(window.marks, "@#", (head, tail), strict=True):
        around = bert.convert_ids_to_tokens(bare(bert, f"the {sign} {part} {sign} is"))
        near = "".join(token for token in shown[mark - 1 : mark + 8] if token not in "@#")
        assert shown[mark] == sign
        assert near.startswith("".join(token for token in around[1:] if token not in "@#")) or (
            near.startswith("".join(token for token in around if token not in "@#"))
        )


def everything(tokenizer, **wishes) -> dict[str, list[Window]]:
    """Return windows of rows of each kind; every kind alone, as a task has them."""
    kinds = {
        "pair": [PairInput("good", LONG), PairInput("", "")],
        "question": [QuestionInput("where", LONG), QuestionInput("a", ""), QuestionInput("", "b")],
        "choice": [ChoiceInput("", "a", ("b", "c")), ChoiceInput(LONG, "a", ("b", "c", "d"))],
        "marked": [MarkedInput("my order", (0, 2), (3, 8)), MarkedInput(LONG, (4, 9), (0, 3))],
    }
    reading = Reading(32, 6, "windows", case_shape=False, **wishes)
    return {kind: list(encode_windows(tokenizer, items, reading)) for kind, items in kinds.items()}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("kind", ["pair", "question", "choice", "marked"])
def test_packed_windows_of_parts_come_back_as_they_were(tokenizer, kind, apart):
    windows = everything(tokenizer, apart=apart)[kind]
    blocks = [
        pack_windows(windows[start : start + 2], token_type=np.dtype(np.uint16))
        for start in range(0, len(windows), 2)
    ]
    assert len({tuple(block) for block in blocks}) == 1
    kept = FlatWindows({name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]})
    assert len(kept) == len(windows)
    assert all(map(same, kept, windows))
    assert kept.has_ends == (kind == "question")
    order = np.random.default_rng(0).permutation(len(windows))[:4]
    view = kept.take(order)
    assert all(same(view[at], windows[number]) for at, number in enumerate(order))
    assert all(map(same, kept[1:], windows[1:]))
    if kept.slots is not None:
        assert view.slots.tolist() == [windows[number].slot for number in order]


def test_collated_parts_have_types_marks_slots_and_rows(bert):
    windows = everything(bert)
    batch = collate_arrays(windows["pair"], pad_id=0)
    for ids, types, window in zip(
        batch["input_ids"], batch["token_type_ids"], windows["pair"], strict=True
    ):
        assert types.tolist() == [
            int(window.second <= at < len(window.ids)) for at in range(len(ids))
        ]
    assert "slots" not in batch
    batch = collate_arrays(windows["choice"], pad_id=0)
    assert batch["slots"].tolist() == [window.slot for window in windows["choice"]]
    assert batch["rows"].tolist() == [window.row for window in windows["choice"]]
    batch = collate_arrays(windows["choice"][2:], pad_id=0)
    assert batch["rows"].tolist() == [0] * (len(windows["choice"]) - 2)
    batch = collate_arrays(windows["marked"], pad_id=0)
    assert batch["marks"].tolist() == [window.marks.tolist() for window in windows["marked"]]
    assert "token_type_ids" not in batch
    batch = collate_arrays(windows["question"], pad_id=0)
    assert len(batch["word_rows"]) == sum(window.answers for window in windows["question"])


def test_count_tokens_is_of_all_texts_of_a_row(bert):
    items = [
        PairInput("my card", "good"),
        QuestionInput("where", "my card"),
        ChoiceInput("my", "is it", ("good", "bad card")),
        MarkedInput("my card", (0, 2), (3, 7)),
    ]
    for item, count in zip(items, (3, 3, 6, 2), strict=True):
        assert count_tokens(bert, [item]).tolist() == [count]


@pytest.mark.parametrize("max_length", [8, 9, 16])
def test_smallest_windows_still_show_everything(bert, max_length):
    for item in (QuestionInput(MIDDLE, LONG), PairInput("good", LONG)):
        windows = read(bert, item, max_length=max_length, stride=0)
        assert max(len(window.ids) for window in windows) <= max_length
        assert _covers([tuple(both_parts(bert, w)[1]) for w in windows], bare(bert, LONG))
    (window,) = read(bert, MarkedInput(LONG, (4, 9), (200, 210)), max_length=max_length, stride=0)
    assert bert.convert_ids_to_tokens(window.ids[window.marks].tolist()) == ["@", "#"]


def test_neighbouring_windows_of_a_context_overlap(bert):
    windows = read(bert, QuestionInput("where", LONG))
    for one, other in pairwise(windows):
        assert len(set(one.words.tolist()) & set(other.words.tolist())) == 1 + 6
