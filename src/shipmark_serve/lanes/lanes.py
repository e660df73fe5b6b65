"""What the dispatcher knows of the place where inference runs."""

from collections.abc import Callable
from typing import Protocol

from shipmark_serve.call import Call

Batch = list[Call]
Ended = Callable[[Batch], None]
"""Told on the event loop when each call of a batch has its answer or its error."""


class Lanes(Protocol):
    """Runs batches, each to its end, in the order in which they were started."""

    @property
    def count(self) -> int:
        """How many batches can be at work at once."""

    @property
    def ahead(self) -> int:
        """How many more may be started, so that none has to wait for the event loop."""

    @property
    def stuck(self) -> bool:
        """Whether nothing goes on any more: every lane is at work that is past its deadline."""

    def start(self, batch: Batch) -> bool:
        """Run a batch; whether it has come to its end, and `ended` has been told, already."""

    def close(self) -> bool:
        """Come to an end; False where something is still at work, and will be left so."""
