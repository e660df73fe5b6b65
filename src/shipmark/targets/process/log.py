"""The log of a deployment: bounded, in two files, the newer one named `log`.

What a model writes is shown in lines of bounded length, a longer one as several.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

FILE_BYTES = 8 << 20
"""When `log` is this large it becomes `log.1`, and what was `log.1` is gone."""

RATE_BYTES_PER_S = 4 << 20
"""What a model may write in the long run; it waits when it writes more than FILE_BYTES faster."""

_POLL_S = 0.1
_LINE_BYTES = 16 << 10
# C0 and C1, and what turns the direction of text.
_STEERING = (*range(32), *range(127, 160), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F),
             *range(0x2066, 0x206A))  # fmt: skip
_CONTROL = dict.fromkeys(_STEERING, "�")
del _CONTROL[ord("\t")]


class Allowance:
    """How much may be read now, so that a model without end neither fills disk nor processor.

    Args:
        now_s: The time, as in every other call; any clock that only goes forward.
    """

    def __init__(
        self, now_s: float, *, rate_per_s: float = RATE_BYTES_PER_S, most: float = FILE_BYTES
    ) -> None:
        self._rate_per_s = rate_per_s
        self._most = most
        self._left = most
        self._at_s = now_s

    def spend(self, amount: int, now_s: float) -> None:
        """Account for what was read."""
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._rate_per_s) - amount
        self._at_s = now_s

    def next_s(self) -> float:
        """When something may be read again; it may have passed."""
        return self._at_s + max(0.0, -self._left) / self._rate_per_s


class Writer:
    """Appends to the log; a full disk loses lines and nothing else."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES) -> None:
        self._path = path
        self._file_bytes = file_bytes
        self._descriptor, self._size = self._open()
        self._in_a_line = False

    def write(self, data: bytes) -> None:
        """Append `data` as it is."""
        try:
            if self._size and self._size + len(data) > self._file_bytes:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                full = self._descriptor
                self._descriptor, self._size = self._open()
                os.close(full)
            self._size += os.write(self._descriptor, data)
        except OSError:
            return
        if data:
            self._in_a_line = not data.endswith(b"\n")

    def say(self, text: str) -> None:
        """Append a line of the supervisor's own."""
        begin = "\n" if self._in_a_line else ""
        self.write(f"{begin}shipmark: {text}\n".encode())

    def _open(self) -> tuple[int, int]:
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        return descriptor, os.fstat(descriptor).st_size


def tail(path: Path, lines: int | None = None) -> list[str]:
    """The last `lines` lines, or all that are kept, oldest first."""
    kept: deque[str] = deque(maxlen=lines)
    for file in (path.with_name(path.name + ".1"), path):
        try:
            with file.open("rb") as stream:
                kept.extend(map(printable, iter(partial(stream.readline, _LINE_BYTES), b"")))
        except FileNotFoundError:
            continue
    return list(kept)


def follow(path: Path, lines: int | None, alive: Callable[[], bool]) -> Iterator[str]:
    """The last `lines` lines, then new ones as they come, until nothing writes any more."""
    stream = path.open("rb")
    try:
        yield from tail(path, lines)
        stream.seek(0, os.SEEK_END)
        begun = b""
        while True:
            last_round = not alive()
            while piece := stream.readline(_LINE_BYTES - len(begun)):
                begun += piece
                if begun.endswith(b"\n") or len(begun) >= _LINE_BYTES:
                    yield printable(begun)
                    begun = b""
            renewed = _renewed(path, stream.fileno())
            if renewed:
                stream.close()
                stream = path.open("rb")
            elif last_round:
                break
            else:
                time.sleep(_POLL_S)
        if begun:
            yield printable(begun)
    finally:
        stream.close()


def _renewed(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino != os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def printable(line: bytes) -> str:
    """Text that cannot steer the terminal it is shown on: the model wrote it."""
    return line.rstrip(b"\r\n").decode("utf-8", "replace").translate(_CONTROL)
