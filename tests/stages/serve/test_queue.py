"""The queue: bounds, batches by tokens and by measured speed, and what was given up."""

from __future__ import annotations

import asyncio

import pytest

from tunesmith.core.serving import BatchRecipe, ServiceLimits
from tunesmith.stages.serve.problems import Refusal
from tunesmith.stages.serve.queue import FIRST_TOKENS, RequestQueue, Waiting


def waiting(*, model: str = "a", tokens: int = 10, rows: int = 1) -> Waiting:
    reply = asyncio.get_running_loop().create_future()
    return Waiting(model, ({"text": "x"},) * rows, tokens, {}, reply)


def queue(**limits: int) -> RequestQueue:
    return RequestQueue(ServiceLimits(**limits), BatchRecipe(tokens=1000, bound_ms=100))


def test_batch_holds_the_oldest_request_and_what_fits_beside_it():
    async def run() -> None:
        waits = queue()
        waits.learn("a", tokens=1000, seconds=1.0)  # 100 tokens in the bound
        given = [waiting(tokens=60), waiting(tokens=50), waiting(tokens=40), waiting(model="b")]
        for each in given:
            await waits.put(each)
        assert await waits.take() == [given[0], given[2]]
        assert await waits.take() == [given[1]]
        assert await waits.take() == [given[3]]
        assert (len(waits), waits.rows) == (0, 0)

    asyncio.run(run())


def test_request_beyond_the_budget_stands_alone():
    async def run() -> None:
        waits = queue()
        large, small = waiting(tokens=9_000), waiting(tokens=1)
        await waits.put(large)
        await waits.put(small)
        assert await waits.take() == [large]
        assert await waits.take() == [small]

    asyncio.run(run())


def test_budget_follows_the_speed_that_was_measured():
    async def run() -> None:
        waits = queue()
        assert waits.budget("a") == FIRST_TOKENS
        waits.learn("a", tokens=2000, seconds=1.0)
        assert waits.budget("a") == 200
        for _ in range(60):
            waits.learn("a", tokens=500, seconds=1.0)
        assert waits.budget("a") == pytest.approx(50, abs=1)
        waits.learn("b", tokens=1_000_000, seconds=1.0)
        assert waits.budget("b") == 1000

    asyncio.run(run())


def test_queue_is_bounded_in_requests_and_in_rows():
    async def run() -> None:
        waits = queue(queue_requests=2)
        await waits.put(waiting())
        await waits.put(waiting())
        with pytest.raises(Refusal, match="2 requests wait") as caught:
            await waits.put(waiting())
        assert int(caught.value.headers["retry-after"]) >= 1
        rows = queue(queue_rows=10)
        await rows.put(waiting(rows=9))
        with pytest.raises(Refusal):
            await rows.put(waiting(rows=2))
        await rows.put(waiting(rows=1))

    asyncio.run(run())


def test_request_that_was_given_up_leaves_its_place_and_is_never_taken():
    async def run() -> None:
        waits = queue(queue_requests=2)
        first, second, third = waiting(), waiting(), waiting()
        await waits.put(first)
        await waits.put(second)
        first.reply.cancel()
        await waits.put(third)
        assert await waits.take() == [second, third]
        assert waits.dropped == 1

    asyncio.run(run())


def test_batch_that_is_given_back_comes_first_again():
    async def run() -> None:
        waits = queue()
        first, second = waiting(), waiting(model="b")
        await waits.put(first)
        await waits.put(second)
        await waits.give_back(await waits.take())
        assert await waits.take() == [first]
        assert waits.rows == 1

    asyncio.run(run())


def test_taking_waits_for_a_request():
    async def run() -> None:
        waits = queue()
        taking = asyncio.create_task(waits.take())
        await asyncio.sleep(0)
        assert not taking.done()
        given = waiting()
        await waits.put(given)
        assert await taking == [given]

    asyncio.run(run())


def text(**settings) -> Waiting:
    made = waiting(**settings)
    made.kind = "write"
    return made


def test_text_is_a_batch_alone_and_what_else_waits_comes_next():
    async def run() -> None:
        waits = queue()
        first, second, answer = text(), text(), waiting()
        for each in (first, second, answer):
            await waits.put(each)
        assert await waits.take() == [first]
        await waits.leave([first])
        assert await waits.take() == [answer]
        assert await waits.take() == [second]

    asyncio.run(run())


def test_never_do_all_of_several_workers_write():
    async def run() -> None:
        waits = RequestQueue(ServiceLimits(), BatchRecipe(), workers=2)
        first, second = text(), text()
        await waits.put(first)
        await waits.put(second)
        assert await waits.take() == [first]
        taking = asyncio.create_task(waits.take())
        await asyncio.sleep(0)
        answer = waiting()
        await waits.put(answer)
        assert await taking == [answer]
        taking = asyncio.create_task(waits.take())
        await asyncio.sleep(0)
        assert not taking.done()
        await waits.leave([first])
        assert await taking == [second]
        assert waits.writing == 1

    asyncio.run(run())


def test_vectors_and_answers_of_one_model_share_no_batch():
    async def run() -> None:
        waits = queue()
        answer, vectors, other = waiting(), waiting(), waiting()
        vectors.kind = "embed"
        for each in (answer, vectors, other):
            await waits.put(each)
        assert await waits.take() == [answer, other]
        assert await waits.take() == [vectors]

    asyncio.run(run())
