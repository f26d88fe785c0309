"""What a person may type once a bundle stands."""

from __future__ import annotations

import json
import shlex

from tunesmith.core.examples import ChatInput
from tunesmith.operations.preparing import Prepared
from tunesmith.store.bundles import Bundle
from tunesmith.tasks.structured import sample_row


def next_commands(bundle: Bundle, prepared: Prepared) -> tuple[str, ...]:
    """Return what may be typed once a bundle stands."""
    sample = (prepared.splits.test or prepared.splits.valid)[0].inputs
    fields = prepared.task.input_fields(sample)
    text = json.dumps(sample.text[:60], ensure_ascii=False).replace("$", "\\$").replace("`", "\\`")
    if isinstance(sample, ChatInput):
        text = shlex.quote(sample.messages[-1].content[:60])
    elif prepared.task.head == "recommend":
        text = shlex.quote(fields["user"])
    elif len(fields) > 1:
        text = shlex.quote(sample_row(fields))
    return (
        f"tunesmith predict {bundle.path} {text}",
        f"tunesmith evaluate {bundle.path} TEST",
        f"xdg-open {bundle.path}/report.html",
    )
