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
        self._pending: deque[Future[bytes]] = deque()
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
            self._pending.popleft().cancel()

    def _submit(self) -> None:
        self._room.acquire()
        buffer, data = self._block, memoryview(self._block)[: self._filled]
        block = self._pool.submit(compress_block, data, self._level)
        # Freed by the compressing thread and not when the block is written out: so no writer ever
        # waits for another one to go on.
        block.add_done_callback(lambda _: self._free(buffer))
        self._pending.append(block)
        self._block, self._filled = self._buffer(), 0
        self._started = True
        while self._pending and self._pending[0].done():
            self._write_oldest()

    def _write_oldest(self) -> None:
        self._out.write(self._pending.popleft().result())

    def _free(self, buffer: bytearray) -> None:
        self._buffers.append(buffer)
        self._room.release()

    def _buffer(self) -> bytearray:
        """One that is free, or a new one: all writers share them, so that only a few are made."""
        try:
            return self._buffers.pop()
        except IndexError:
            return bytearray(self._block_bytes)
