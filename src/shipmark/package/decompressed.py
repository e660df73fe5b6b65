"""The bytes of a file that may be compressed, in bounded pieces."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from shipmark.digest import CHUNK_BYTES

MAX_RATIO = 250
"""Unpacked bytes for each packed one, once `RATIO_FREE_BYTES` are passed."""

RATIO_FREE_BYTES = 256 * 1024 * 1024
MAX_LZMA_MEMORY_BYTES = 256 * 1024 * 1024


class DamagedError(ValueError):
    """The file is cut off, corrupt or a bomb; the message says which."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Zlib:
    """zlib's decompressor in the form that bz2 and lzma have."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _lzma() -> _Decompressor:
    return lzma.LZMADecompressor(memlimit=MAX_LZMA_MEMORY_BYTES)


_BY_MAGIC: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", _Zlib),
    (b"\x78\x01", _Zlib),
    (b"\x78\x5e", _Zlib),
    (b"\x78\x9c", _Zlib),
    (b"\x78\xda", _Zlib),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", _lzma),
    (b"\x5d\x00\x00", _lzma),
)


def chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    """The content of `stream`, decompressed where it begins like a gzip, zlib, bz2, xz or lzma.

    Raises:
        DamagedError: The compressed data are broken, cut off, or unpack to far too much.
    """
    head = stream.read(CHUNK_BYTES)
    make = next((make for magic, make in _BY_MAGIC if head.startswith(magic)), None)
    if make is None:
        while head:
            yield head
            head = stream.read(CHUNK_BYTES)
        return
    decompressor = make()
    packed, unpacked = len(head), 0
    while not decompressor.eof:
        try:
            chunk = decompressor.decompress(head, CHUNK_BYTES)
        except (zlib.error, OSError, lzma.LZMAError, ValueError, EOFError) as error:
            raise DamagedError(f"is damaged: {error}") from error
        unpacked += len(chunk)
        if unpacked > RATIO_FREE_BYTES and unpacked > MAX_RATIO * packed:
            raise DamagedError(f"unpacks to more than {MAX_RATIO} times its size")
        if chunk:
            yield chunk
        head = b""
        if decompressor.needs_input and not decompressor.eof:
            head = stream.read(CHUNK_BYTES)
            packed += len(head)
            if not head and not chunk:
                raise DamagedError("is cut off")
