"""Small files that are there whole or not at all, and files that one writer at a time may touch."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shipmark.store.disk import explained


def replace(path: Path, data: bytes, *, beside: Path | None = None) -> None:
    """Write `data` beside `path` and rename it there.

    Args:
        path: The file.
        data: All of it.
        beside: Where it is written first, on the same file system; a hidden name in the same folder
            unless given. What a killed process left there, the next one writes over.

    Raises:
        ShipmarkError: The disk is full, or the folder cannot be written to.
    """
    new = beside or path.with_name(f".{path.name}.new")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(new) as stream:
            try:
                stream.truncate(0)
                stream.write(data)
                stream.flush()
                os.fchmod(stream.fileno(), 0o644)
                os.fsync(stream.fileno())
                new.rename(path)
            except BaseException:
                new.unlink(missing_ok=True)
                raise


@contextmanager
def held(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for appending and keep other threads and processes out until the end.

    The file is made where there is none, and freed when the process dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("ab+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # Whoever held it before may have renamed or removed it meanwhile.
            if _still_at(path, stream):
                yield stream
                return


def _still_at(path: Path, stream: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
