"""Whether one more request may wait. Pure."""

from shipmark_serve.contract.errors import Overloaded, ServeError


class Admission:
    """A bounded queue: better a refusal at once than an answer too late.

    Args:
        queue_limit: How many requests may wait while every lane is at work.
    """

    def __init__(self, queue_limit: int) -> None:
        self._limit = queue_limit
        self._full = Overloaded(
            f"{queue_limit} requests are waiting already", hint="try again a little later"
        )

    def check(self, *, waiting: int, started: int, lanes: int) -> ServeError | None:
        """None where there is room, else the refusal.

        Args:
            waiting: Requests in the queue.
            started: Batches given to lanes that have not ended, those ahead among them.
            lanes: Batches that can be at work at once.
        """
        return self._full if waiting + started >= self._limit + lanes else None
