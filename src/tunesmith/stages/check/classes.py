"""Labels and entity types: whether there are enough of each, and the same ones in every split."""

from __future__ import annotations

from collections.abc import Iterator

from tunesmith.stages.check.context import SPLITS, Context, gold_names
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.wording import show_count, show_part, show_some
from tunesmith.tasks.labels import sort_labels

RARE = 5
IMBALANCE = 50


def check_classes(context: Context) -> Iterator[Finding]:
    """Yield what is wrong with the labels of train; nothing where train has no answers at all.

    Summaries are no labels.
    """
    if context.task.head == "extract":
        return
    train = context.spans["train"]
    is_written = context.task.head == "generate"  # no labels, and none are missing
    if is_written or not context.has_gold[train.start : train.stop].any():
        return
    yield from _check_choice(context)
    if context.names["train"]:
        yield from _check_rare(context)
        yield from _check_balance(context)


def check_foreign_labels(context: Context) -> Iterator[Finding]:
    """Yield labels that could never be answered, and those that are never measured."""
    known = context.names["train"]
    if not known or context.task.head == "choose":  # places of choices are no labels
        return
    noun = _noun(context)
    for split in SPLITS[1:]:
        names = context.names[split]
        if foreign := sort_labels(set(names) - set(known)):
            rows = [
                row
                for row in context.spans[split]
                if not known.keys() >= set(gold_names(context.task, context.rows[row]))
            ]
            yield Finding(
                "fault",
                "labels_not_in_train",
                f"Only in {split}, never in train, so no model can answer with it: "
                f"{show_count(len(foreign), noun)}, {_list_counts(context, split, foreign)}. "
                "Move some of these rows to train, or leave them out.",
                context.places(rows),
                {"split": split, "labels": len(foreign), "rows": len(rows)},
            )
        missing = sort_labels(set(known) - set(names))
        if missing and names:
            yield Finding(
                "note",
                f"labels_not_in_{split}",
                f"Never in {split}, so not measured there: "
                f"{show_part(len(missing), len(known), noun)}, "
                f"{show_some([f'`{name}`' for name in missing])}.",
                figures={"split": split, "labels": len(missing), "of": len(known)},
            )


def check_unlabelled(context: Context) -> Iterator[Finding]:
    """Yield how many multilabel rows have no label, which is an answer like any other."""
    if context.task.kind != "multilabel":
        return
    rows = [row for row, example in enumerate(context.rows) if example.gold == ()]
    if rows:
        yield Finding(
            "note",
            "no_labels",
            f"Without any label: {show_part(len(rows), len(context.rows), 'row')}. "
            "They teach that nothing applies; see that they are meant so.",
            context.places(rows),
            {"rows": len(rows)},
        )


def _check_choice(context: Context) -> Iterator[Finding]:
    """Yield where there is nothing to choose from."""
    names, kind = context.names["train"], context.task.kind
    rows = len(context.spans["train"])
    if kind == "classification" and len(names) == 1:
        yield Finding(
            "fault",
            "one_class",
            f"All {rows:,} train rows have the label `{next(iter(names))}`, so there is nothing to "
            "tell apart. Add rows of at least one other label.",
            figures={"classes": 1, "rows": rows},
        )
    elif not names:
        what, fix = (
            ("entity", "--column entities=NAME, or --column tags=NAME")
            if kind == "ner"
            else ("label", "--column labels=NAME")
        )
        yield Finding(
            "fault",
            "no_names",
            f"None of the {rows:,} train rows has a single {what}, so there is nothing to learn. "
            f"If another column holds them: {fix}",
            figures={"classes": 0, "rows": rows},
        )


def _check_rare(context: Context) -> Iterator[Finding]:
    names = context.names["train"]
    rare = sorted((name for name in names if names[name] < RARE), key=lambda name: names[name])
    if not rare:
        return
    rows = [
        row
        for row in context.spans["train"]
        if not set(rare).isdisjoint(gold_names(context.task, context.rows[row]))
    ]
    yield Finding(
        "warning",
        "rare_labels",
        f"Fewer than {RARE} train {_unit(context)}: "
        f"{show_part(len(rare), len(names), _noun(context))}, "
        f"{_list_counts(context, 'train', rare)}. "
        "Add rows, or merge them with a label that is near.",
        context.places(rows),
        {"labels": len(rare), "of": len(names), "fewest": names[rare[0]]},
    )


def _check_balance(context: Context) -> Iterator[Finding]:
    ranked = context.names["train"].most_common()
    (common, most), (rare, fewest) = ranked[0], ranked[-1]
    if most <= IMBALANCE * fewest:
        return
    advice = (
        f"Expect to miss many of `{rare}`; add rows with it."
        if context.task.kind == "ner"
        else "Weigh all labels alike: --set training.class_weights=balanced"
    )
    yield Finding(
        "note",
        "imbalance",
        f"`{common}` is {most / fewest:,.0f} times as frequent in train as `{rare}` "
        f"({most:,} and {fewest:,} {_unit(context)}). {advice}",
        figures={"most": most, "fewest": fewest, "ratio": round(most / fewest, 1)},
    )


def _list_counts(context: Context, split: str, names: list[str] | tuple[str, ...]) -> str:
    counts = context.names[split]
    return show_some([f"`{name}` ({counts[name]:,})" for name in names])


def _noun(context: Context) -> str:
    return "entity type" if context.task.kind == "ner" else "label"


def _unit(context: Context) -> str:
    return "entities" if context.task.kind == "ner" else "rows"
