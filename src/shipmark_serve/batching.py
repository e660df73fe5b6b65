"""Which of the waiting requests are run together, and when. Pure: it neither runs nor waits.

First come, first served: a batch is always a run of neighbours in the queue. Requests are joined
as long as their keys are equal and their rows are at most `max_batch_size` together; a request of
more rows than that is run alone, since its caller wanted it so.
"""

from collections import deque
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar


class Waiter(Protocol):
    """What batching knows of a request."""

    rows: int
    key: object
    queued: float
    deadline: float
    gone: bool


W = TypeVar("W", bound=Waiter)


class Queue(Generic[W]):
    """Requests in the order in which they came.

    Args:
        max_batch_size: Rows that may be run together; 1 is no batching.
        max_wait_s: How long the first of an unfilled batch may wait for others; 0 not at all.
    """

    def __init__(self, *, max_batch_size: int = 1, max_wait_s: float = 0.0) -> None:
        self.max_batch_size = max_batch_size
        self.max_wait_s = max_wait_s
        self.waiting: deque[W] = deque()

    def take(self, now: float, late: list[W]) -> list[W]:
        """The next batch; empty where none is due.

        Requests whose caller is gone are dropped.

        Args:
            now: On the clock of `queued` and `deadline`.
            late: Gets the requests that were found past their deadline.
        """
        waiting = self.waiting
        while waiting and (waiting[0].gone or waiting[0].deadline <= now):
            request = waiting.popleft()
            if not request.gone:
                late.append(request)
        if not waiting:
            return []
        if self.max_batch_size == 1:
            return [waiting.popleft()]
        first = waiting[0]
        if self.max_wait_s and now < first.queued + self.max_wait_s and not self._full():
            return []
        batch: list[W] = []
        rows = 0
        while waiting:
            request = waiting[0]
            if request.gone:
                waiting.popleft()
                continue
            if request.deadline <= now:
                late.append(waiting.popleft())
                continue
            if batch and (request.key != first.key or rows + request.rows > self.max_batch_size):
                break
            batch.append(waiting.popleft())
            rows += request.rows
        return batch

    def due(self) -> float | None:
        """When the next batch is due where nothing else comes; None where nobody waits."""
        return self.waiting[0].queued + self.max_wait_s if self.waiting else None

    def _full(self) -> bool:
        """Whether the first batch could not grow any more if it waited."""
        rows = 0
        key = self.waiting[0].key
        for request in self.waiting:
            rows += request.rows
            if rows >= self.max_batch_size or request.key != key:
                return True
        return False


def group(requests: Iterable[W], max_batch_size: int) -> list[list[W]]:
    """Part requests that came together into batches that may be run together."""
    groups: list[list[W]] = []
    rows = 0
    for request in requests:
        if groups and request.key == groups[-1][0].key and rows + request.rows <= max_batch_size:
            groups[-1].append(request)
            rows += request.rows
        else:
            groups.append([request])
            rows = request.rows
    return groups
