"""One blob on its way into the store."""

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from shipmark.digest import Digest
from shipmark.errors import DigestMismatch
from shipmark.store.disk import explained


class BlobWriter:
    """Writes one blob; `commit` names it by its content.

    Args:
        beside: The temporary file that is written.
        move_in: Gives the finished file its name.
        need_bytes: How many bytes will come, where that is known.
    """

    def __init__(
        self, beside: Path, move_in: Callable[[Path, Digest], None], need_bytes: int | None
    ) -> None:
        self._beside = beside
        self._move_in = move_in
        self._need_bytes = need_bytes
        self._state = hashlib.sha256()
        with self._explained():
            self._stream = beside.open("wb", buffering=0)
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del kind, value, traceback
        self._stream.close()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append all of `data`; unbuffered, so write in large pieces."""
        self._state.update(data)
        view = memoryview(data)
        while view:
            with self._explained():
                written = self._stream.write(view)
            view = view[written:]
        self.size += len(data)
        return len(data)

    def commit(self, expected: Digest | None = None) -> Digest:
        """Make the blob visible under its digest.

        Raises:
            DigestMismatch: `expected` was given and the bytes differ.
        """
        digest = Digest(f"sha256:{self._state.hexdigest()}")
        if expected is not None and digest != expected:
            raise DigestMismatch("the data written", expected=expected, actual=digest)
        with self._explained():
            # Before the rename: a name never stands for bytes that are not on the disk yet.
            os.fsync(self._stream.fileno())
        self._move_in(self._beside, digest)
        return digest

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self._beside, need_bytes=self._need_bytes)
