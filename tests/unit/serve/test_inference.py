"""Shows that work runs first come, first served, and is bounded by queue and deadline."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from shipmark_serve.contract.errors import DeadlineExceeded, Overloaded
from shipmark_serve.inference import Inference


def test_first_come_first_served() -> None:
    async def scenario() -> list[int]:
        order: list[int] = []
        inference = Inference(queue_limit=100)
        inference.grow(1)
        await asyncio.gather(*(inference.run(_append(order, n)) for n in range(50)))
        assert inference.close()
        return order

    assert asyncio.run(scenario()) == list(range(50))


def _append(order: list[int], number: int) -> Callable[[], None]:
    return lambda: order.append(number)


def test_every_caller_gets_its_own_answer_or_error() -> None:
    def work(number: int) -> int:
        if number % 3 == 0:
            raise ValueError(number)
        return number * 2

    async def scenario() -> None:
        inference = Inference(queue_limit=1000)
        inference.grow(4)
        answers = await asyncio.gather(
            *(inference.run(_bound(work, n)) for n in range(300)), return_exceptions=True
        )
        for number, answer in enumerate(answers):
            if number % 3 == 0:
                assert isinstance(answer, ValueError)
                assert answer.args == (number,)
            else:
                assert answer == number * 2
        assert inference.close()

    asyncio.run(scenario())


def _bound(work: Callable[[int], int], number: int) -> Callable[[], int]:
    return lambda: work(number)


def test_the_queue_is_bounded_and_room_comes_back() -> None:
    async def scenario() -> None:
        gate = threading.Event()
        inference = Inference(queue_limit=2)
        inference.grow(1)
        waiting = [asyncio.create_task(inference.run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded):
            inference.admit()
        with pytest.raises(Overloaded):
            await inference.run(gate.wait)
        gate.set()
        assert await asyncio.gather(*waiting) == [True] * 3
        await inference.run(gate.wait)
        assert inference.close()

    asyncio.run(scenario())


def test_what_is_late_before_it_began_never_runs() -> None:
    async def scenario() -> None:
        gate, ran = threading.Event(), []
        loop = asyncio.get_running_loop()
        inference = Inference(queue_limit=10)
        inference.grow(1)
        first = asyncio.create_task(inference.run(gate.wait))
        await asyncio.sleep(0.02)
        with pytest.raises(DeadlineExceeded):
            await inference.run(lambda: ran.append(1), deadline=loop.time() + 0.05)
        assert not inference.stuck  # somebody still waits for the first
        gate.set()
        await first
        await inference.run(lambda: None)
        assert ran == []
        assert inference.close()

    asyncio.run(scenario())


def test_stuck_is_when_nobody_waits_for_any_thread() -> None:
    async def scenario() -> None:
        gate = threading.Event()
        loop = asyncio.get_running_loop()
        inference = Inference(queue_limit=10)
        inference.grow(2)
        late = [inference.run(gate.wait, deadline=loop.time() + 0.05) for _ in range(2)]
        answers = await asyncio.gather(*late, return_exceptions=True)
        assert all(isinstance(answer, DeadlineExceeded) for answer in answers)
        assert inference.stuck
        assert not inference.close()
        gate.set()

    asyncio.run(scenario())
