"""Shows that work runs first come, first served, and is bounded by queue and deadline."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from shipmark_serve.call import Call, Head
from shipmark_serve.contract.errors import DeadlineExceeded, Overloaded
from shipmark_serve.dispatch import Dispatcher
from shipmark_serve.lanes.lanes import Batch
from shipmark_serve.lanes.threads import Threads
from shipmark_serve.lifecycle import Unobserved
from shipmark_serve.service import Plain


class Work:
    """A dispatcher over threads whose work is a function of the call's value."""

    def __init__(
        self, run: Callable[[Any], Any], *, threads: int = 1, queue_limit: int = 100
    ) -> None:
        self._run = run
        self.dispatcher = Dispatcher(queue_limit=queue_limit, observer=Unobserved())
        self.threads = Threads()
        self.threads.grow(threads)
        self.threads.serve(self._answer, self.dispatcher.ended, ahead=True)
        self.dispatcher.use(self.threads, max_batch_size=1, max_wait_s=0.0, inline=False)

    def _answer(self, batch: Batch) -> None:
        for call in batch:
            call.started = time.monotonic()
            call.asked = self._run(call.value)

    def submit(self, value: Any, deadline_s: float = 10.0) -> asyncio.Future[Call]:
        now = time.monotonic()
        call = Call("other", Plain("other"), Head(), b"-", now, now + deadline_s)
        call.value = value
        done: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        call.done = done.set_result
        self.dispatcher.submit(call)
        return done


def test_first_come_first_served() -> None:
    order: list[int] = []

    async def scenario() -> None:
        work = Work(order.append)
        await asyncio.gather(*(work.submit(number) for number in range(50)))
        assert work.threads.close()

    asyncio.run(scenario())
    assert order == list(range(50))


def test_every_caller_gets_its_own_answer() -> None:
    async def scenario() -> None:
        work = Work(lambda value: value * 2, threads=4, queue_limit=1000)
        calls = await asyncio.gather(*(work.submit(number) for number in range(300)))
        assert [call.asked for call in calls] == [number * 2 for number in range(300)]
        assert work.threads.close()

    asyncio.run(scenario())


def test_the_queue_is_bounded_and_room_comes_back() -> None:
    async def scenario() -> None:
        gate = threading.Event()
        work = Work(lambda _: gate.wait(), queue_limit=2)
        waiting = [work.submit(None) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert isinstance(work.dispatcher.refusal(), Overloaded)
        refused = await work.submit(None)
        assert isinstance(refused.error, Overloaded)
        gate.set()
        assert [call.error for call in await asyncio.gather(*waiting)] == [None] * 3
        assert work.dispatcher.refusal() is None
        assert (await work.submit(None)).error is None
        assert work.threads.close()

    asyncio.run(scenario())


def test_what_is_late_or_left_before_it_began_never_runs() -> None:
    async def scenario() -> None:
        gate = threading.Event()
        ran: list[object] = []
        work = Work(lambda value: gate.wait() if value is None else ran.append(value))
        first = work.submit(None)
        late = work.submit("late", deadline_s=0.05)
        left = work.submit("left", deadline_s=5.0)
        await asyncio.sleep(0)
        call = await late
        assert isinstance(call.error, DeadlineExceeded)
        assert call.started == 0
        next(c for c in work.dispatcher._waiting if c.value == "left").gone = True
        gate.set()
        assert (await first).error is None
        await work.submit("last")
        assert ran == ["last"]
        assert not left.done()
        assert work.threads.close()

    asyncio.run(scenario())


def test_stuck_is_when_every_thread_is_past_its_deadline() -> None:
    async def scenario() -> None:
        gate = threading.Event()
        work = Work(lambda _: gate.wait(), threads=2)
        late = [work.submit(None, deadline_s=0.05) for _ in range(2)]
        await asyncio.sleep(0.01)
        before = work.threads.stuck
        for call in await asyncio.gather(*late):
            assert isinstance(call.error, DeadlineExceeded)
        await asyncio.sleep(0.01)
        assert (before, work.threads.stuck) == (False, True)
        assert not work.threads.close()
        gate.set()

    asyncio.run(scenario())
