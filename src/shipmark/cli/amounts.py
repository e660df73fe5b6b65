"""Amounts: counting them from several threads, and writing them as people read them."""

import threading
from collections.abc import Callable


class Counter:
    """A task that adds up what was done; `listener` is told the new sum."""

    def __init__(self, listener: Callable[[int], object] | None = None) -> None:
        self.done = 0
        self._lock = threading.Lock()
        self._listener = listener

    def advance(self, amount: int) -> None:
        """Add `amount`; any thread may call it."""
        with self._lock:
            self.done += amount
        if self._listener is not None:
            self._listener(self.done)


def amount_text(amount: int, unit: str) -> str:
    """An amount as people read it: `21.4 MB`, `7 layers`."""
    return size_text(amount) if unit == "bytes" else f"{amount} {unit}"


def size_text(size_bytes: int) -> str:
    """A size in decimal units, as registries and `docker images` print it."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
