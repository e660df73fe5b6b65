"""Work done side by side by threads that nobody has to wait for.

A thread can hang in a read for as long as a server is silent. So they are daemons: after a failure,
or Ctrl-C, what hangs is left behind and cannot keep the process from ending.
"""

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE_S = 0.5
"""How long what has begun is waited for after a failure."""


class Cancelled(Exception):
    """Something else failed before."""


def each(
    function: Callable[[T], R], items: Sequence[T], *, at_once: int, cancelled: Event
) -> list[R]:
    """The function of each item, in the order of the items.

    Args:
        function: Called in several threads.
        items: Begun in their order.
        at_once: How many at the same time.
        cancelled: Set at the first failure, so that the other calls can end early.

    Raises:
        BaseException: Whatever the first call that failed raised.
        Cancelled: `cancelled` was set from elsewhere.
    """
    todo: SimpleQueue[tuple[int, T]] = SimpleQueue()
    done: SimpleQueue[tuple[int, R] | BaseException] = SimpleQueue()
    for entry in enumerate(items):
        todo.put(entry)

    def work() -> None:
        while not cancelled.is_set():
            try:
                number, item = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((number, function(item)))
            except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
                # Before the others hear of it, and fail in their turn.
                done.put(error)
                cancelled.set()
        done.put(Cancelled())

    threads = [Thread(target=work, daemon=True) for _ in range(min(at_once, len(items)))]
    try:
        for thread in threads:
            thread.start()
        results = dict(_result(done.get()) for _ in items)
    except Cancelled as consequence:
        raise _cause(done) or consequence from None
    except BaseException:
        cancelled.set()  # Ctrl-C sets nothing by itself
        _wait(threads)
        raise
    return [results[number] for number in range(len(items))]


def _result(outcome: R | BaseException) -> R:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _cause(done: SimpleQueue[tuple[int, R] | BaseException]) -> BaseException | None:
    """What failed first, where it is told later than what was given up because of it.

    It may come out of work that was itself done side by side, and waited for its threads.
    """
    deadline = time.monotonic() + 2 * _PATIENCE_S
    while (left_s := deadline - time.monotonic()) > 0:
        try:
            outcome = done.get(timeout=left_s)
        except Empty:
            break
        if isinstance(outcome, BaseException) and not isinstance(outcome, Cancelled):
            return outcome
    return None


def _wait(threads: Sequence[Thread]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
