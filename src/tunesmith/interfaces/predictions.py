"""One prediction as a person reads it in the terminal: the answer first, then what was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from tunesmith.interfaces.terminal import visible

REPLIES = ("label", "labels", "entities", "written", "score", "answer")
"""The field that tells what kind of answer a prediction is."""

BESIDE = {*REPLIES, "confidence", "confidences", "scores", "tags", "start", "end", "choice"}
BESIDE |= {"null_probability", "sentences", "unread", "label_set", "abstained", "reason"}
BESIDE |= {"outside", "outside_score"}
"""The fields that belong to an answer; all others say what was asked."""


def show_prediction(prediction: Mapping[str, Any]) -> Text:
    """Return the answer in bold with how sure it is, what was asked, and every score given."""
    if "items" in prediction:
        return _ranking(prediction)
    shown = Text()
    answer, confidence = _answer(prediction)
    shown.append(answer, style="bold")
    if confidence is not None:
        shown.append(f"  {confidence:.3f}", style="dim")
    if prediction.get("unread"):
        shown.append(f"  {prediction['unread']:,} tokens of older turns not read", style="yellow")
    for remark in _remarks(prediction):
        shown.append(f"  {remark}", style="yellow")
    asked = [value for name, value in prediction.items() if name not in BESIDE]
    shown.append("  " + " | ".join(visible(_words(value)) for value in asked))
    for name, score in _scores(prediction):
        shown.append(f"\n    {score:.4f}  {visible(name)}", style="dim")
    return shown


def _answer(prediction: Mapping[str, Any]) -> tuple[str, float | None]:
    """Return the answer in words and how sure it is, where one number says so."""
    confidence = prediction.get("confidence")
    match next(name for name in REPLIES if name in prediction):
        case "label":
            return visible(prediction["label"]), confidence
        case "labels":
            pairs = zip(prediction["labels"], prediction["confidences"], strict=True)
            named = ", ".join(f"{visible(label)} {value:.3f}" for label, value in pairs)
            return named or "no label", None
        case "entities":
            found = [
                f"{visible(item['text'])} ({visible(item['type'])} {item['confidence']:.2f})"
                for item in prediction["entities"]
            ]
            return ", ".join(found) or "no entity", None
        case "written":
            return visible(prediction["written"]), None
        case "score":
            return f"{prediction['score']:.2f}", None
    if "choice" in prediction:
        return visible(prediction["choice"]), confidence
    return visible(prediction["answer"]) or "no answer", confidence


def _remarks(prediction: Mapping[str, Any]) -> Iterator[str]:
    """Yield what tells how far the answer holds."""
    if prediction.get("abstained"):
        yield f"abstained: {prediction['reason']}"
    if prediction.get("outside"):
        yield "outside what the model was taught"
    if "label_set" in prediction:
        yield "{" + ", ".join(map(visible, prediction["label_set"])) + "}"


def _ranking(prediction: Mapping[str, Any]) -> Text:
    """Return who was asked about, then a line an item with its score and text."""
    told = {"items", "texts", "scores", "basis"}
    asked = [value for name, value in prediction.items() if name not in told]
    shown = Text(" | ".join(visible(_words(value)) for value in asked))
    if prediction["basis"] == "popular":
        shown.append("  nothing is known of this user; popular with everybody:", style="yellow")
    rows = zip(prediction["items"], prediction["texts"], prediction["scores"], strict=True)
    for item, text, score in rows:
        shown.append(f"\n  {score:7.3f}  ", style="dim")
        shown.append(visible(item), style="bold")
        shown.append(f"  {visible(text)}")
    return shown


def _scores(prediction: Mapping[str, Any]) -> Sequence[tuple[str, float]]:
    """Return every score with its name, the highest first."""
    scores = prediction.get("scores", {})
    if not isinstance(scores, Mapping):
        scores = dict(zip(prediction["choices"], scores, strict=True))
    return sorted(scores.items(), key=lambda pair: -pair[1])


def _words(value: Any) -> str:
    """Return an input as words: a text as it is, a stretch by its offsets, a list with commas.

    Messages of a conversation are each led by their role.
    """
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return " / ".join(f"{item.get('role')}: {item.get('content')}" for item in value)
    if isinstance(value, Mapping):
        return f"{value.get('start')}–{value.get('end')}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
