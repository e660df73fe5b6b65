"""gzip that comes out the same on any machine and with any number of threads.

The data is cut into blocks of a fixed size; each becomes one gzip member with a header of our own
(no time, no name, no operating system), and the members stand in order. What remains is the
compressor: zlib-ng of one version and level gives the same bytes on every processor.
Source: RFC 1952.
"""

import struct
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from threading import BoundedSemaphore
from typing import Self

from zlib_ng import zlib_ng

from shipmark.oci.layer import Writer

VERSION = version("zlib-ng")
"""The release of zlib-ng that is installed here."""

_HEADER = bytes.fromhex("1f8b08 00 00000000 00 ff")
"""Deflate, no flags, no time, no extra flags, operating system unknown."""

_RAW_DEFLATE = -15


def compress_block(data: bytes | memoryview, level: int) -> bytes:
    """One gzip member that holds `data`."""
    body = zlib_ng.compress(data, level, _RAW_DEFLATE)
    return b"".join((_HEADER, body, struct.pack("<II", zlib_ng.crc32(data), len(data))))


class Compressor:
    """Threads that compress for any number of writers, with a bound on the blocks in memory.

    Args:
        level: Of zlib-ng.
        block_bytes: How much of the data makes one gzip member.
        threads: How many compress at once; makes no difference to the bytes.
    """

    def __init__(self, *, level: int, block_bytes: int, threads: int) -> None:
        self.level = level
        self.block_bytes = block_bytes
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gzip")
        self._room = BoundedSemaphore(threads + 2)
        self._buffers: deque[bytearray] = deque()

    @contextmanager
    def writer(self, out: Writer) -> Iterator["GzipWriter"]:
        """A stream whose data arrives in `out` compressed; complete when the context ends."""
        writer = GzipWriter(out, self, self._pool, self._room, self._buffers)
        try:
            yield writer
            writer.finish()
        finally:
            writer.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


class GzipWriter:
    """One stream being compressed; made by `Compressor.writer`."""

    def __init__(
        self,
        out: Writer,
        compressor: Compressor,
        pool: ThreadPoolExecutor,
        room: BoundedSemaphore,
        buffers: deque[bytearray],
    ) -> None:
        self._out = out
        self._level = compressor.level
        self._block_bytes = compressor.block_bytes
        self._pool = pool
        self._room = room
        self._pending: deque[tuple[Future[bytes], bytearray]] = deque()
        self._buffers = buffers
        self._block = self._buffer()
        self._filled = 0
        self._started = False

    def write(self, data: bytes) -> int:
        """Take all of `data`."""
        view = memoryview(data)
        while view:
            taken = view[: self._block_bytes - self._filled]
            self._block[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            view = view[len(taken) :]
            if self._filled == self._block_bytes:
                self._submit()
        return len(data)

    def finish(self) -> None:
        """Compress what is left and write everything out; no data is an empty member."""
        if self._filled or not self._started:
            self._submit()
        while self._pending:
            self._write_oldest()

    def abandon(self) -> None:
        """Forget what was not written."""
        while self._pending:
            self._pending.popleft()[0].cancel()
            self._room.release()

    def _submit(self) -> None:
        block, self._started = memoryview(self._block)[: self._filled], True
        while not self._room.acquire(blocking=False):
            if not self._pending:
                # Waiting for room that only others can give could be waiting for each other.
                self._out.write(compress_block(block, self._level))
                self._filled = 0
                return
            self._write_oldest()
        self._pending.append((self._pool.submit(compress_block, block, self._level), self._block))
        self._block, self._filled = self._buffer(), 0
        while self._pending and self._pending[0][0].done():
            self._write_oldest()

    def _write_oldest(self) -> None:
        compressing, block = self._pending[0]
        done = compressing.result()
        self._pending.popleft()
        self._buffers.append(block)
        self._room.release()
        self._out.write(done)

    def _buffer(self) -> bytearray:
        """One that is free, or a new one; all writers share them, so that few are made."""
        try:
            return self._buffers.pop()
        except IndexError:
            return bytearray(self._block_bytes)
