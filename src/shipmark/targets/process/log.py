"""The log of a deployment: bounded, in two files, the newer one named `log`."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

FILE_BYTES = 8 << 20
"""When `log` is this large it becomes `log.1`, and what was `log.1` is gone."""

_POLL_S = 0.1
_CONTROL = dict.fromkeys((*range(32), 127, *range(128, 160)), "�")
del _CONTROL[ord("\t")]


class Writer:
    """Appends to the log; a full disk loses lines and nothing else."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES) -> None:
        self._path = path
        self._file_bytes = file_bytes
        self._descriptor, self._size = self._open()

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

    def say(self, text: str) -> None:
        """Append a line of the supervisor's own."""
        self.write(f"shipmark: {text}\n".encode())

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
                kept.extend(printable(line) for line in stream)
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
            while piece := stream.readline():
                begun += piece
                if begun.endswith(b"\n"):
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
