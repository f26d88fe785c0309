"""A text on its way from worker to client: what is waited for, how long, and who gives up."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from tunesmith.core.reliability import Demands
from tunesmith.core.serving import BatchRecipe, ServiceLimits
from tunesmith.stages.serve.deployments import Served
from tunesmith.stages.serve.fleet import Settings
from tunesmith.stages.serve.keys import Gatekeeper
from tunesmith.stages.serve.logs import EventLog
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.rates import Rates
from tunesmith.stages.serve.service import ClientGoneError, Service
from tunesmith.stages.serve.texts import TextAsked, TextEnd, write_text
from tunesmith.store.bundles import Bundle
from tunesmith.store.keys import KeyFile
from tunesmith.tasks.generation import Generation

ASKED = TextAsked({"messages": []}, 5, {}, (), 100)
END = {"reason": "stop", "read": 3, "written": 2}


@pytest.fixture
def served() -> Served:
    return Served("desk", Bundle(Path(), Generation(), {}, "0"))


@pytest.fixture
def service(served, tmp_path):
    """Return what makes a service without workers, whose limits are short."""

    def make(**limits: int) -> Service:
        bounds = ServiceLimits(**limits)
        settings = Settings(
            models=(served,),
            limits=bounds,
            batch=BatchRecipe(),
            demands=Demands(),
            worker="",
            worker_settings={"workers": 1},
            operations=(),
            find=lambda _: served.bundle,
            peek=lambda _: served.version,
        )
        log = EventLog(io.StringIO())
        keys = Gatekeeper(KeyFile(tmp_path / "keys.json"))
        return Service(settings, gatekeeper=keys, rates=Rates(bounds), log=log)

    return make


async def never() -> None:
    await asyncio.Event().wait()


def told(service, served, *parts: dict, last: dict | None, gone=never) -> tuple[list, list, bool]:
    """Return what is told of a text of which a worker says `parts`, and whether it was given up.

    Beside it the failure, if there was one. Without `last` the worker says no more.
    """

    async def run() -> tuple[list, list, bool]:
        async def work() -> None:
            (waiting,) = await service.live.queue.take()
            works.append(waiting)
            for part in parts:
                waiting.parts.put_nowait(part)
            if last is not None:
                waiting.reply.set_result(last)

        works: list = []
        working = asyncio.create_task(work())
        found, failures = [], []
        try:
            async for part in write_text(service, served, ASKED, gone()):
                found.append(part)
        except (Refusal, ClientGoneError) as error:
            failures.append(error)
        await asyncio.sleep(0)
        working.cancel()
        return found, failures, bool(works) and works[0].reply.cancelled()

    return asyncio.run(run())


def test_pieces_come_in_order_and_then_the_end(service, served):
    own = service()
    parts = [{"token": True}, {"piece": "it"}, {"token": True}, {"piece": " is"}]
    found, failures, is_given_up = told(own, served, *parts, last=END)
    assert (found, failures, is_given_up) == (["it", " is", TextEnd("stop", 3, 2)], [], False)
    shown = own.metrics.show().decode()
    assert 'tokens_written_total{model="desk",version="0"} 2.0' in shown
    assert 'tokens_read_total{model="desk",version="0"} 3.0' in shown
    assert 'first_piece_seconds_count{model="desk",version="0"} 1.0' in shown


@pytest.mark.parametrize(
    ("limits", "parts", "must"),
    [
        ({"deadline_ms": 50}, [], "an answer must be there within 0.05 seconds"),
        ({"token_ms": 50}, [{"token": True}], "the next token must be there within 0.05 seconds"),
        ({"writing_ms": 50}, [{"token": True}, {"piece": "x"}], "be whole within 0.05 seconds"),
    ],
)
def test_text_that_takes_too_long_is_given_up(service, served, limits, parts, must):
    _, (error,), is_given_up = told(service(**limits), served, *parts, last=None)
    assert error.status == 504
    assert must in str(error)
    assert is_given_up


def test_lost_worker_ends_a_text_that_had_begun(service, served):
    found, (error,), _ = told(service(), served, {"piece": "it"}, last={"lost": "killed"})
    assert found == ["it"]
    assert (error.status, error.headers["retry-after"]) == (503, "2")


def test_text_whose_client_left_is_given_up(service, served):
    async def soon() -> None:
        await asyncio.sleep(0.05)

    found, (error,), is_given_up = told(service(), served, {"piece": "it"}, last=None, gone=soon)
    assert found == ["it"]
    assert isinstance(error, ClientGoneError)
    assert is_given_up


def test_text_whose_reader_stops_reading_is_given_up(service, served):
    async def run() -> bool:
        own = service()
        text = write_text(own, served, ASKED, never())
        reading = asyncio.create_task(anext(text))
        (waiting,) = await own.live.queue.take()
        waiting.parts.put_nowait({"piece": "it"})
        assert await reading == "it"
        await text.aclose()
        return waiting.reply.cancelled()

    assert asyncio.run(run())
