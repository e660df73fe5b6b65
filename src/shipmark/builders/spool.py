"""Temporary files for bytes that are needed again in another order, while a layer is made."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol, Self, TypeVar

from shipmark.oci.layer import Reader
from shipmark.store.disk import explained


class _SupportsClose(Protocol):
    def close(self) -> object: ...


_Closable = TypeVar("_Closable", bound=_SupportsClose)


class Spool:
    """One file: bytes are appended, and read back by offset, also by several threads at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with explained(path):
            self._file = path.open("x+b")
        self._size = 0

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def write(self, data: bytes) -> int:
        """Append `data` and return where it begins; readable after `flush`."""
        offset = self._size
        with explained(self._path):
            self._file.write(data)
        self._size += len(data)
        return offset

    def flush(self) -> None:
        """Make what was written readable."""
        with explained(self._path):
            self._file.flush()

    def read_at(self, offset: int, size: int) -> bytes:
        """Read `size` bytes from `offset`."""
        return os.pread(self._file.fileno(), size, offset)

    def stream(self) -> BinaryIO:
        """Open all of it as a file of its own."""
        return self._path.open("rb")

    def sink(self) -> BinaryIO:
        """Open it for another program to write to."""
        return self._path.open("wb")

    def refuse(self, number: int) -> NoReturn:
        """Say that another program could not write to it, because of the error `number`."""
        with explained(self._path):
            raise OSError(number, os.strerror(number))

    def opener(self, offset: int, size: int) -> Callable[[], Reader]:
        """What opens the `size` bytes from `offset` as a stream."""
        return lambda: _Slice(self, offset, size)


class Workspace:
    """What lives while one layer is made: spools in a folder, archives held open.

    All of it is closed at the end; whoever made the folder removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def spool(self) -> Spool:
        """A new, empty one; may be called from any thread."""
        return self.hold(Spool(self._folder / f"{next(self._numbers)}.spool"))

    def hold(self, closable: _Closable) -> _Closable:
        """Close something at the end."""
        self._stack.callback(closable.close)
        return closable


class _Slice:
    def __init__(self, spool: Spool, offset: int, size: int) -> None:
        self._spool = spool
        self._offset = offset
        self._left = size

    def read(self, size: int, /) -> bytes:
        data = self._spool.read_at(self._offset, min(size, self._left))
        self._offset += len(data)
        self._left -= len(data)
        return data

    def close(self) -> None:
        """The spool stays open."""
