"""Questions so long that they would crowd out what they ask about: their ends are not read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tunesmith.core.examples import ChoiceInput, Inputs, QuestionInput, TextInput
from tunesmith.model.encoding import count_tokens
from tunesmith.model.encoding_parts import longest_question
from tunesmith.model.framing import find_pair_frame
from tunesmith.stages.check.context import Context
from tunesmith.stages.check.findings import Finding
from tunesmith.stages.check.wording import show_part


def check_questions(context: Context) -> Iterator[Finding]:
    """Yield the rows whose question, with its longest reply, is cut to half of a window."""
    room = context.reading.max_length - len(find_pair_frame(context.tokenizer))
    most = longest_question(room)
    rows = [
        row
        for row in np.flatnonzero(context.tokens.counts > most).tolist()
        if _is_cut(context, context.rows[row].inputs, most)
    ]
    if rows:
        yield Finding(
            "warning",
            "long_questions",
            f"Questions (with their reply, where there are several) of more than {most:,} tokens, "
            f"half of a window: {show_part(len(rows), len(context.rows), 'row')}; what is beyond "
            "is not read. Shorten them, or move what is told into the context.",
            context.places(rows),
            {"rows": len(rows), "most_tokens": most},
        )


def _is_cut(context: Context, inputs: Inputs, most: int) -> bool:
    if isinstance(inputs, QuestionInput):
        texts = [inputs.question]
    elif isinstance(inputs, ChoiceInput) and inputs.context:
        texts = [inputs.question, *inputs.choices]
    else:
        return False
    question, *choices = count_tokens(context.tokenizer, map(TextInput, texts)).tolist()
    return bool(question + max(choices, default=0) > most)
