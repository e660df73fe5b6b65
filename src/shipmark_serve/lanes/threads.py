"""Threads, for models that release the interpreter's lock or do not mind to wait for it."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from shipmark_serve.lanes.lanes import Batch, Ended, Lanes

_JOIN_S = 1.0
T = TypeVar("T")


class Threads:
    """First come, first served.

    The threads are daemons: one that never comes back does not keep the server from stopping.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._running: list[Batch] = []
        self._run: Callable[[Batch], None] = _nothing
        self._ended: Ended = _nothing
        self.ahead = 0

    @property
    def count(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def grow(self, threads: int) -> None:
        """Have this many threads."""
        while len(self._threads) < threads:
            thread = threading.Thread(
                target=self._work, name=f"inference-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def serve(self, run: Callable[[Batch], None], ended: Ended, *, ahead: bool) -> None:
        """From now on take batches.

        Args:
            run: Answers a batch; it does not raise.
            ended: Told of it on the event loop.
            ahead: Whether a thread that has done its batch finds the next one ready. With
                batching it should not: a batch that is formed later is larger.
        """
        self._run, self._ended = run, ended
        self.ahead = len(self._threads) if ahead else 0

    def call(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run something else on one of the threads."""
        future: asyncio.Future[T] = self._loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)  # type: ignore[arg-type] # there is one where no error is
            else:
                future.set_exception(error)

        def job() -> None:
            result, error = None, None
            try:
                result = work()
            except BaseException as caught:  # noqa: BLE001 - handed to the caller
                error = caught
            self._tell(settle, result, error)

        self._queue.put(job)
        return future

    def start(self, batch: Batch) -> bool:
        """Let the next free thread run it."""

        def job() -> None:
            # Its callers may have left while it waited for a thread.
            calls = [call for call in batch if not call.gone]
            if calls:
                self._running.append(calls)
                self._run(calls)
                self._running.remove(calls)
            self._tell(self._ended, batch)

        self._queue.put(job)
        return False

    @property
    def stuck(self) -> bool:
        """Whether every thread is busy with work that is past its deadline."""
        running, now = list(self._running), time.monotonic()
        return len(running) == len(self._threads) and all(
            call.deadline < now for batch in running for call in batch
        )

    def close(self) -> bool:
        """Let the threads end; False where one is still at work, and will be left so."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in () if self._running else self._threads:
            thread.join(_JOIN_S)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            job()

    def _tell(self, whom: Callable[..., None], *what: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(whom, *what)


def _nothing(batch: Batch) -> None:
    """Before the model is loaded there are no batches."""


_: type[Lanes] = Threads
