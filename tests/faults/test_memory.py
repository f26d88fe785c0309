"""Memory that is not enough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tunesmith.core.errors import ResourceError
from tunesmith.operations import OPERATIONS, execute


def test_operation_that_needs_more_memory_than_there_is_says_what_to_try(monkeypatch):
    def run(spec, session):
        return bytes(2**62), spec, session

    monkeypatch.setitem(OPERATIONS, "env", replace(OPERATIONS["env"], run=run))
    with pytest.raises(ResourceError, match="the memory must be enough; got: none left") as caught:
        execute("env", {})
    assert caught.value.exit_status == 6
    assert caught.value.hint.startswith("--set training.batch_tokens=")
