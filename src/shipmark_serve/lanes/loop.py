"""The event loop itself, for models that take microseconds."""

from collections.abc import Callable

from shipmark_serve.lanes.lanes import Batch, Ended, Lanes
from shipmark_serve.lanes.threads import Threads


class OnLoop:
    """Runs each batch at once; one that is too large for that goes to a thread.

    Args:
        run: Answers a batch; it does not raise.
        ended: Told of it.
        max_rows: A request of more rows than this would keep the loop for too long.
        threads: Where it goes then.
    """

    ahead = 0

    def __init__(
        self, run: Callable[[Batch], None], ended: Ended, *, max_rows: int, threads: Threads
    ) -> None:
        self._run = run
        self._ended = ended
        self._max_rows = max_rows
        self._threads = threads

    @property
    def count(self) -> int:
        """One on the loop, and the threads."""
        return 1 + self._threads.count

    def start(self, batch: Batch) -> bool:
        """Run it."""
        if batch[0].rows > self._max_rows:
            return self._threads.start(batch)
        self._run(batch)
        self._ended(batch)
        return True

    @property
    def stuck(self) -> bool:
        """Whether the threads are."""
        return self._threads.stuck

    def close(self) -> bool:
        """Let the threads end."""
        return self._threads.close()


_: type[Lanes] = OnLoop
