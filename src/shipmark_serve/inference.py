"""The threads that run inference, and the bounded queue in front of them."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from shipmark_serve.contract.errors import DeadlineExceeded, Overloaded

_JOIN_S = 1.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    context: contextvars.Context


class Inference:
    """First come, first served; at most `queue_limit` requests wait.

    Everything but the work itself happens on the event loop. The threads are daemons: one that
    never comes back does not keep the server from stopping.
    """

    def __init__(self, *, queue_limit: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._limit = queue_limit
        self._threads: list[threading.Thread] = []
        self._running: set[_Job] = set()
        self._pending = 0

    def grow(self, threads: int) -> None:
        """Have this many threads."""
        while len(self._threads) < threads:
            thread = threading.Thread(
                target=self._work, name=f"inference-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    async def run(self, work: Callable[[], T], *, deadline: float | None = None) -> T:
        """Run `work` on one of the threads.

        Args:
            work: Called in the caller's context.
            deadline: Loop time at which the caller stops waiting; None for never.

        Raises:
            Overloaded: The queue is full.
            DeadlineExceeded: The deadline came first. Work that had not begun never will.
        """
        self.admit()
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending += 1
        self._queue.put(_Job(work, future, contextvars.copy_context()))
        timeout = None if deadline is None else max(deadline - self._loop.time(), 0)
        try:
            done, _ = await asyncio.wait([future], timeout=timeout)
        finally:
            future.cancel()  # does nothing to one that is done
        if not done:
            raise DeadlineExceeded("the answer did not come in time")
        return future.result()

    def admit(self) -> None:
        """Check that there is room for one more.

        Raises:
            Overloaded: There is none.
        """
        if self._pending >= self._limit + len(self._threads):
            raise Overloaded(
                f"{self._limit} requests are waiting already", hint="try again a little later"
            )

    @property
    def stuck(self) -> bool:
        """Whether every thread is busy with work that its caller has given up."""
        running = list(self._running)
        return len(running) == len(self._threads) and all(job.future.cancelled() for job in running)

    def close(self) -> bool:
        """Let the threads end; False where one is still at work, and will be left so."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in () if self._running else self._threads:
            thread.join(_JOIN_S)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            result, error = None, None
            if not job.future.cancelled():
                self._running.add(job)
                try:
                    result = job.context.run(job.work)
                except BaseException as caught:  # noqa: BLE001 - handed to the caller
                    error = caught
                self._running.discard(job)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._settle, job.future, result, error)

    def _settle(
        self, future: asyncio.Future[Any], result: object, error: BaseException | None
    ) -> None:
        self._pending -= 1
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
