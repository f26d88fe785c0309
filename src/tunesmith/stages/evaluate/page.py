"""The report of one tuned model as one HTML page that needs no script, no font and no network.

Puts the parts in order; what a part looks like is in the modules beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tunesmith.stages.evaluate.charts import interval_bar
from tunesmith.stages.evaluate.page_curve import (
    MOST_POINTS,
    learning_curve,
    points_of,
    smoothing_span,
)
from tunesmith.stages.evaluate.page_findings import check_part, mistakes_part, notes_part
from tunesmith.stages.evaluate.page_limits import limits_part
from tunesmith.stages.evaluate.page_markup import (
    NOTHING,
    Markup,
    definitions,
    element,
    group,
    isolate,
)
from tunesmith.stages.evaluate.page_numbers import (
    count_text,
    duration_text,
    finite,
    moment_text,
    ratio_text,
)
from tunesmith.stages.evaluate.page_plan import plan_part
from tunesmith.stages.evaluate.page_prompt import prompt_part
from tunesmith.stages.evaluate.page_rates import rate_figure
from tunesmith.stages.evaluate.page_search import search_part
from tunesmith.stages.evaluate.page_style import STYLE
from tunesmith.stages.evaluate.page_tables import (
    calibration_part,
    class_table,
    confusion_part,
    measure_table,
    weakest_line,
)
from tunesmith.stages.evaluate.page_words import LOWER_IS_BETTER, captions, counted, named
from tunesmith.stages.evaluate.page_written import WRITTEN, written_part

# Should an escape ever fail, the browser still runs no script and loads nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

Words = dict[str, str]
Part = Callable[[Mapping[str, Any], Words], Markup]


def _split_text(split: str | None, words: Words) -> str:
    return words.get(f"split.{split}", split or "")


def _summary(report: Mapping[str, Any], words: Words) -> str:
    task, data = report.get("task") or {}, report.get("data") or {}
    model, method = report.get("model") or {}, report.get("method") or {}
    facts = [named(words, "task", task["kind"])] if task.get("kind") else []
    if task.get("labels"):
        facts.append(counted(words, "labels", len(task["labels"])))
    if model.get("name") and method.get("name"):
        facts.append(words["tuned"].format(model=model["name"], method=method["name"]))
    if data.get("name") and data.get("rows") is not None:
        key = "measured_on.split" if data.get("split") else "measured_on"
        split = _split_text(data.get("split"), words)
        rows = counted(words, "rows", data["rows"])
        facts.append(words[key].format(rows=rows, data=data["name"], split=split))
    return " · ".join(facts)


def _masthead(report: Mapping[str, Any], words: Words) -> Markup:
    stamp = report.get("created")
    moment = element("time", {"datetime": stamp}, moment_text(stamp)) if stamp else None
    return element(
        "header",
        None,
        element("p", {"class": "kind"}, words["page.kind"], " · " if moment else None, moment),
        element("h1", {"dir": "auto"}, report.get("title") or words["untitled"]),
        element("p", {"class": "summary"}, _summary(report, words)),
    )


def _figure(name: str, measure: Mapping[str, Any], *, index: int, words: Words) -> Markup:
    value, unit = ratio_text(measure.get("value")), measure.get("unit", "ratio")
    caption = named(words, "measure", name)
    low, high = ratio_text(measure.get("low")), ratio_text(measure.get("high"))
    known = finite(measure.get("low")) is not None and finite(measure.get("high")) is not None
    interval = words["interval"].format(low=low, high=high) if known else words["interval.none"]
    title = f"{caption} {value}, {interval}"
    count = count_text(measure.get("count"))
    remark = words["lower_is_better"] if name in LOWER_IS_BETTER else None
    shown_unit = element("small", None, " ", unit) if unit != "ratio" else None
    return element(
        "div",
        {"class": "figure"},
        element("h3", None, caption, element("small", None, " ", remark) if remark else None),
        element("p", {"class": "value"}, value, shown_unit),
        interval_bar(measure, name=f"interval-{index}", title=title, words=words),
        element(
            "p",
            {"class": "quiet"},
            element("span", None, interval),
            element("span", None, words["figure.count"].format(count=count)),
        ),
    )


def _headline(report: Mapping[str, Any], words: Words) -> Markup:
    measures = report.get("measures") or {}
    names = [name for name in report.get("headline") or [] if name in measures]
    figures = [
        _figure(name, measures[name], index=index, words=words) for index, name in enumerate(names)
    ]
    return element("div", {"class": "figures"}, *figures) if figures else NOTHING


def _result(report: Mapping[str, Any], words: Words) -> Markup:
    headline = report.get("headline") or []
    others = {
        name: measure
        for name, measure in (report.get("measures") or {}).items()
        if name not in headline
    }
    return group(
        [
            _headline(report, words),
            notes_part(report.get("notes") or [], words=words),
            measure_table(others, words=words),
        ]
    )


def _classes(report: Mapping[str, Any], words: Words) -> Markup:
    rows, averages = report.get("classes") or [], report.get("averages") or {}
    listed = class_table(rows, averages=averages, caption=words["classes.caption"], words=words)
    return group([weakest_line(rows, words=words), listed])


def _tokens(report: Mapping[str, Any], words: Words) -> Markup:
    rows = report.get("tokens") or []
    return class_table(rows, averages={}, caption=words["tokens.caption"], words=words)


def _confusion(report: Mapping[str, Any], words: Words) -> Markup:
    confusion = report.get("confusion")
    return confusion_part(confusion, words=words) if confusion else NOTHING


def _calibration(report: Mapping[str, Any], words: Words) -> Markup:
    calibration = report.get("calibration")
    return calibration_part(calibration, words=words) if calibration else NOTHING


def _limits(report: Mapping[str, Any], words: Words) -> Markup:
    return limits_part(report.get("reliability") or {}, words=words)


def _mistakes(report: Mapping[str, Any], words: Words) -> Markup:
    is_written = (report.get("task") or {}).get("kind") in WRITTEN
    part = written_part if is_written else mistakes_part
    return part(report.get("mistakes") or [], words=words)


def _curve_legend(curve: Mapping[str, Any], measure: str, words: Words) -> Markup:
    steps, checks = curve.get("steps") or [], curve.get("validations") or []
    losses, values = points_of(steps, "loss"), points_of(checks, "value")
    smooth = words["curve.smooth"].format(span=smoothing_span(len(losses)))
    keys = []
    if losses:
        keys.append(element("span", {"class": "key raw-key"}, words["curve.raw"]))
        keys.append(element("span", {"class": "key loss-key"}, smooth))
    if values:
        text = words["curve.validation"].format(measure=measure)
        keys.append(element("span", {"class": "key check-key"}, text))
    remarks = [
        words["curve.drawn"].format(
            steps=count_text(len(steps)), validations=count_text(len(checks))
        )
    ]
    if max(len(losses), len(values)) > MOST_POINTS:
        remarks.append(words["curve.thinned"].format(points=MOST_POINTS))
    lost = len(steps) - len(losses) + len(checks) - len(values)
    if lost:
        remarks.append(words["curve.lost"].format(count=count_text(lost)))
    return element("figcaption", None, *keys, element("p", None, " ".join(remarks)))


def _training_facts(training: Mapping[str, Any], words: Words) -> Markup:
    facts: list[tuple[str, object]] = [
        (words["training.seconds"], duration_text(training.get("seconds")))
    ]
    for field in ("tokens", "tokens_per_second", "steps", "best_step", "seed"):
        if training.get(field) is not None:
            written = str(training[field]) if field == "seed" else count_text(training[field])
            facts.append((words[f"training.{field}"], written))
    reasons = training.get("reasons") or []
    listed = [element("li", {"dir": "auto"}, reason) for reason in reasons]
    because = element("ul", None, *listed) if listed else None
    told = [definitions(facts), definitions([(words["training.reasons"], because)])]
    return element("div", {"class": "facts"}, *told) if any(told) else NOTHING


def _training(report: Mapping[str, Any], words: Words) -> Markup:
    curve, training = report.get("curve") or {}, report.get("training") or {}
    measure = named(words, "measure", curve.get("measure") or "")
    drawn = learning_curve(curve, words=words, measure=measure)
    legend = _curve_legend(curve, measure, words) if drawn else NOTHING
    figure = element("figure", {"class": "wide"}, drawn, legend) if drawn else NOTHING
    sweep = rate_figure(report.get("rate_finder") or {}, words=words)
    return group([figure, sweep, _training_facts(training, words)])


def _plan(report: Mapping[str, Any], words: Words) -> Markup:
    return plan_part(report.get("plan") or {}, words=words)


def _check(report: Mapping[str, Any], words: Words) -> Markup:
    return check_part(report.get("check") or [], words=words)


def _setting(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _provenance_block(title: str, pairs: Sequence[tuple[str, object]]) -> Markup | None:
    listed = definitions(pairs)
    return element("div", None, element("h3", None, title), listed) if listed else None


def _identity(part: Mapping[str, Any], words: Words) -> list[tuple[str, object]]:
    """Return the rows of a model or data record, in its own order."""
    pairs: list[tuple[str, object]] = []
    for field, value in part.items():
        if value is None:
            continue
        shown: object = (
            count_text(value) if field in {"parameters", "rows"} else isolate(_setting(value))
        )
        if field == "sha256":
            shown = element("code", None, value)
        if field == "split":
            shown = isolate(_split_text(value, words))
        pairs.append((named(words, "provenance", field), shown))
    return pairs


def _provenance(report: Mapping[str, Any], words: Words) -> Markup:
    method = [
        (words["provenance.name"] if key == "name" else key, isolate(_setting(value)))
        for key, value in (report.get("method") or {}).items()
    ]
    about: list[tuple[str, object]] = [
        (words[f"provenance.{key}"], _setting(report[key]))
        for key in ("created", "format")
        if report.get(key)
    ]
    blocks = [
        _provenance_block(words["provenance.model"], _identity(report.get("model") or {}, words)),
        _provenance_block(words["provenance.method"], method),
        _provenance_block(words["provenance.data"], _identity(report.get("data") or {}, words)),
        _provenance_block(words["provenance.report"], about),
    ]
    kept = [block for block in blocks if block]
    return element("div", {"class": "provenance"}, *kept) if kept else NOTHING


# The order of the page; each name is the caption's key and the anchor.
PARTS: tuple[tuple[str, Part], ...] = (
    ("result", _result),
    ("classes", _classes),
    ("tokens", _tokens),
    ("confusion", _confusion),
    ("calibration", _calibration),
    ("limits", _limits),
    ("mistakes", _mistakes),
    ("plan", _plan),
    ("search", search_part),
    ("prompt", prompt_part),
    ("training", _training),
    ("check", _check),
    ("provenance", _provenance),
)


def _contents(names: list[str], words: Words) -> Markup:
    links = [element("li", None, element("a", {"href": f"#{name}"}, words[name])) for name in names]
    if not links:
        return NOTHING
    return element("nav", {"aria-label": words["page.contents"]}, element("ul", None, *links))


def _section(name: str, body: Markup, words: Words) -> Markup:
    tag = "footer" if name == "provenance" else "section"
    heading = element("h2", {"id": f"{name}-heading"}, words[name])
    return element(tag, {"id": name, "aria-labelledby": f"{name}-heading"}, heading, body)


def page_head(title: str, kind: str) -> Markup:
    """Return the head of a page that loads nothing and runs nothing; the title is escaped."""
    return element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": POLICY}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", None, title, " · ", kind),
        element("style", None, Markup(STYLE)),
    )


def render_page(report: Mapping[str, Any], *, language: str = "en") -> str:
    """Return a report, as `report.json` holds it, as one self-contained HTML document.

    Parts that are null, missing or empty leave no trace. All text of the report is treated as
    hostile: escaped, and unprintable characters replaced.

    Raises `SpecError` where `language` is not one of `page_words.LANGUAGES`.
    """
    words = captions(language)
    bodies = [(name, part(report, words)) for name, part in PARTS]
    present = [(name, body) for name, body in bodies if body]
    head = page_head(report.get("title") or words["untitled"], words["page.kind"])
    body = element(
        "body",
        None,
        _masthead(report, words),
        _contents([name for name, _ in present], words),
        element("main", None, *(_section(name, part, words) for name, part in present)),
    )
    return f"<!doctype html>\n{element('html', {'lang': language}, head, body)}\n"
