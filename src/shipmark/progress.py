"""How long work tells a watcher what it is doing, without knowing who watches."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work with an amount."""

    def advance(self, amount: int) -> None:
        """Report that `amount` more (bytes or items, as given at the start) is done.

        May be called from any thread.
        """


class Progress(Protocol):
    """Who watches: a terminal, a log, or nobody."""

    def step(self, text: str) -> None:
        """Announce the next step of the flow, in the present tense: "locking digits"."""

    def note(self, text: str) -> None:
        """Tell something a person should know, such as a limit that is not enforced."""

    def task(self, label: str, *, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """Open a task; `total` in `unit` ("bytes", "layers"), None where unknown."""


class _SilentTask:
    def advance(self, amount: int) -> None:
        del amount


class Silent:
    """Nobody watches."""

    def step(self, text: str) -> None:
        """Say nothing."""
        del text

    def note(self, text: str) -> None:
        """Say nothing."""
        del text

    def task(self, label: str, *, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """Open a task nobody sees."""
        del label, total, unit
        return _silent_task()


@contextmanager
def _silent_task() -> Iterator[Task]:
    yield _SilentTask()


_: Progress = Silent()
