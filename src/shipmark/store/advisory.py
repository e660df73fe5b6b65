"""Advisory locks: many who use something, or one who clears it away.

The kernel frees a lock when its holder dies, whatever it died of, so none is ever left over.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shipmark.store.disk import explained

_POLL_S = 0.02
_TELL_AFTER_S = 0.3


class Held(Exception):
    """Somebody else holds the lock, and there was no time left to wait."""


@contextmanager
def shared(path: Path, told: Callable[[], None]) -> Iterator[None]:
    """Hold the lock beside any number of others who share it.

    Args:
        path: The lock's file; its folder is there.
        told: Called once, where it takes long.
    """
    with _held(path, os.O_RDONLY, fcntl.LOCK_SH, None, told):
        yield


@contextmanager
def exclusive(
    path: Path, *, wait_s: float | None = None, told: Callable[[], None]
) -> Iterator[None]:
    """Hold the lock alone.

    Args:
        path: The lock's file; its folder is there.
        wait_s: How long to wait for others; None: as long as it takes.
        told: Called once, where it takes long.

    Raises:
        Held: Others still hold it.
    """
    # On NFS only a file that is open for writing can be locked so.
    with _held(path, os.O_RDWR, fcntl.LOCK_EX, wait_s, told):
        yield


@contextmanager
def _held(
    path: Path, mode: int, kind: int, wait_s: float | None, told: Callable[[], None]
) -> Iterator[None]:
    with explained(path):
        descriptor = os.open(path, mode | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with explained(path, doing="lock"):
            _acquire(descriptor, kind, wait_s, told)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, kind: int, wait_s: float | None, told: Callable[[], None]) -> None:
    """Ask again and again: a wait inside the kernel could not be given up in time."""
    started = time.monotonic()
    silent = True
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - started
            if wait_s is not None and waited >= wait_s:
                raise Held from None
            if silent and waited >= _TELL_AFTER_S:
                silent = False
                told()
            time.sleep(_POLL_S)
        else:
            return
