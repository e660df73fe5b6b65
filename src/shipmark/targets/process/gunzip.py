"""gzip, member after member, by zlib-ng: images are compressed in blocks of one member each."""

from typing import Protocol, cast

from zlib_ng import zlib_ng

from shipmark.digest import CHUNK_BYTES

_GZIP_ONLY = 31
_ZLIB_ERROR = cast("type[Exception]", zlib_ng.error)  # its stub declares an instance


class Readable(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


class Damaged(Exception):
    """The stream is not gzip, or ends in the middle."""


class Gunzip:
    """The uncompressed bytes of `source`."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._member = zlib_ng.decompressobj(wbits=_GZIP_ONLY)
        self._pending = b""
        self._begun = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            Damaged: The stream cannot be read.
        """
        while True:
            if self._member.eof:
                self._pending = self._member.unused_data
                self._member = zlib_ng.decompressobj(wbits=_GZIP_ONLY)
                self._begun = False
            compressed = self._pending or self._source.read(CHUNK_BYTES // 4)
            if not compressed:
                if self._begun:
                    raise Damaged("it ends in the middle")
                return b""
            self._begun = True
            try:
                data = self._member.decompress(compressed, size)
            except _ZLIB_ERROR as error:
                raise Damaged(str(error)) from error
            self._pending = self._member.unconsumed_tail
            if data:
                return data
