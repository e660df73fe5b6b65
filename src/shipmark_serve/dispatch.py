"""From the queue to where inference runs: admission, deadlines, and the turns of the loop."""

import asyncio
import time

from shipmark_serve.batching import Queue
from shipmark_serve.call import Call
from shipmark_serve.contract.errors import DeadlineExceeded, Overloaded, ServeError
from shipmark_serve.lanes.lanes import Batch, Lanes
from shipmark_serve.lifecycle import Observer

_TURN_S = 0.005
"""How long one turn may run inference on the event loop before others have theirs."""


class Dispatcher:
    """First come, first served; all of it on the event loop.

    What is submitted in one turn of the loop is looked at together at its end: without any timer
    that makes a batch of what has come in together, and nothing waits where little comes.
    """

    def __init__(self, *, queue_limit: int, observer: Observer) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = self._capacity = queue_limit
        self._full = Overloaded(
            f"{queue_limit} requests are waiting already", hint="try again a little later"
        )
        self._observer = observer
        self._queue: Queue[Call] = Queue()
        self._waiting = self._queue.waiting
        self._lanes: Lanes | None = None
        self._inline = False
        self._turn_is_set = False
        self._timer: asyncio.TimerHandle | None = None
        self._started = 0
        """Batches that have not ended."""
        self._running = 0

    def use(self, lanes: Lanes, *, max_batch_size: int, max_wait_s: float, inline: bool) -> None:
        """Run inference in `lanes` from now on.

        Args:
            lanes: The place.
            max_batch_size: Rows that may be run together; 1 is no batching.
            max_wait_s: How long the first of an unfilled batch may wait for others.
            inline: Whether batches are run while they are started, so that a deadline that comes
                meanwhile need not be watched.
        """
        self._lanes = lanes
        self._capacity = self._limit + lanes.count
        self._queue = Queue(max_batch_size=max_batch_size, max_wait_s=max_wait_s)
        self._waiting = self._queue.waiting
        self._inline = inline and not max_wait_s

    @property
    def waiting(self) -> int:
        """Requests that were admitted and wait for their turn."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Requests in batches that were started and have not ended."""
        return self._running

    def refusal(self) -> ServeError | None:
        """Why one more request cannot be admitted now; None where it can."""
        return self._full if len(self._waiting) + self._started >= self._capacity else None

    def submit(self, call: Call) -> None:
        """Queue a call that has been decoded, or tell it why not."""
        if len(self._waiting) + self._started >= self._capacity:
            self.settle(call, self._full)
            return
        now = time.monotonic()
        call.queued = now
        self._waiting.append(call)
        if not self._inline:
            self._watch(call, now)
        if not self._turn_is_set:
            self._turn_is_set = True
            self._loop.call_soon(self._turn)

    def settle(self, call: Call, error: ServeError | None = None) -> None:
        """Tell a call its end, unless its caller is gone."""
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        if error is not None:
            call.error = error
        if not call.gone and call.done is not None:
            call.settled = True
            call.done(call)

    def wake(self) -> None:
        """Look again for what can be started."""
        if self._waiting and not self._turn_is_set:
            self._turn_is_set = True
            self._loop.call_soon(self._turn)

    def ended(self, batch: Batch) -> None:
        """Take back a batch that lanes have run."""
        self._started -= 1
        self._running -= len(batch)
        first = batch[0]
        if first.started:
            self._observer.batch(len(batch), first.batch_rows, first.seconds)
        for call in batch:
            self.settle(call)
        self.wake()

    def _turn(self) -> None:
        self._turn_is_set = False
        lanes = self._lanes
        assert lanes is not None  # noqa: S101 - for mypy: nothing is admitted without
        most = lanes.count + lanes.ahead
        now = began = time.monotonic()
        late: list[Call] = []
        while self._started < most:
            batch = self._queue.take(now, late)
            if not batch:
                break
            self._started += 1
            self._running += len(batch)
            if not lanes.start(batch) and self._inline:
                for call in batch:
                    self._watch(call, now)
            now = time.monotonic()
            if now - began > _TURN_S:
                self.wake()
                break
        for call in late:
            self._expire(call)
        due = self._queue.due()
        if due is not None and due > now and self._timer is None:
            self._timer = self._loop.call_later(due - now, self._waited)

    def _watch(self, call: Call, now: float) -> None:
        call.timer = self._loop.call_later(max(call.deadline - now, 0), self._expire, call)

    def _waited(self) -> None:
        self._timer = None
        self._turn()

    def _expire(self, call: Call) -> None:
        """Tell a caller that it is too late; the work, where it has begun, goes on unheard."""
        call.timer = None
        if not (call.gone or call.settled):
            self.settle(call, DeadlineExceeded("the answer did not come in time"))
            call.gone = True
