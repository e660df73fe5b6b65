"""The members of a tar stream, read forward in large blocks.

What images hold: ustar, pax and GNU long names; anything stranger is refused. Python's `tarfile`
reads a header in four times the time, and the first start of a model waits for thousands.

Source: POSIX.1-2017, pax; GNU tar manual, "Basic Tar Format".
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from shipmark.digest import CHUNK_BYTES
from shipmark.targets.process.gunzip import Readable

Kind = Literal["file", "directory", "symlink", "hard link", "other"]

_RECORD = 512
_LONGEST_EXTENSION = 1 << 20
_LARGEST_ID = (1 << 32) - 2
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_CHECKSUM = slice(148, 156)
_KINDS: dict[bytes, Kind] = {
    b"0": "file", b"\0": "file", b"7": "file",
    b"1": "hard link", b"2": "symlink", b"5": "directory",
}  # fmt: skip
_SPARSE = "GNU.sparse."
_SECONDS = re.compile(r"-?\d{1,15}(\.\d+)?")


class NotATar(Exception):
    """The stream is not a tar archive, or one of a kind that is not read."""


class Truncated(Exception):
    """The stream ends in the middle of a member."""


@dataclass(frozen=True, slots=True)
class Member:
    """One entry, as its header tells."""

    name: str
    kind: Kind
    size: int
    mode: int
    uid: int
    gid: int
    mtime: float
    target: str
    """Of a link."""


class TarStream:
    """Iterate over the members; `content` is that of the latest.

    Args:
        stream: Where the bytes come from.
        observe: Told every byte of it, once, in order.
    """

    def __init__(self, stream: Readable, observe: Callable[[bytes], object]) -> None:
        self._stream = stream
        self._observe = observe
        self._block = memoryview(b"")
        self._at = 0
        self._left = 0
        self._padding = 0
        self._defaults: dict[str, str] = {}

    def __iter__(self) -> Iterator[Member]:
        """Read header by header.

        Raises:
            NotATar: A header cannot be read.
            Truncated: The stream ends in the middle of one.
        """
        own: dict[str, str] = {}
        begun = False
        while True:
            self._skip(self._left + self._padding)
            self._left = self._padding = 0
            header = self._header()
            if not header and begun and not own:
                return
            if len(header) < _RECORD:
                raise Truncated
            if not any(header):
                return
            begun = True
            fields = _fields(header)
            kind = fields[7]
            size = _number(fields[4])
            if kind in b"xgLK":
                text = self._extension(size)
                if kind == b"x":
                    own |= _pax(text)
                elif kind == b"g":
                    self._defaults |= _pax(text)
                else:
                    own["path" if kind == b"L" else "linkpath"] = _text(text)
                continue
            member = _member(fields, size, self._defaults | own)
            own = {}
            # Links and directories may tell a size; no content follows.
            self._left = member.size if member.kind in {"file", "other"} else 0
            self._padding = -self._left % _RECORD
            yield member

    def content(self) -> Iterator[memoryview]:
        """The content of the latest member, piece by piece.

        Raises:
            Truncated: There is less of it than its header says.
        """
        for piece in self._pieces(self._left):
            self._left -= len(piece)
            yield piece
        if self._left:
            raise Truncated

    def drain(self) -> None:
        """Read what is left of the stream, for `observe`."""
        while self._fill():
            pass

    def _extension(self, size: int) -> bytes:
        if size > _LONGEST_EXTENSION:
            raise NotATar(f"it holds an extended header of {size} bytes")
        data = b"".join(self._pieces(size))
        self._skip(size + -size % _RECORD - len(data))
        return data

    def _header(self) -> bytes:
        end = self._at + _RECORD
        if end <= len(self._block):
            data = bytes(self._block[self._at : end])
            self._at = end
            return data
        return b"".join(self._pieces(_RECORD))

    def _skip(self, size: int) -> None:
        if sum(map(len, self._pieces(size))) < size:
            raise Truncated

    def _pieces(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes, or as many as there are."""
        while size:
            if self._at == len(self._block) and not self._fill():
                return
            piece = self._block[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def _fill(self) -> bool:
        data = self._stream.read(CHUNK_BYTES)
        self._observe(data)
        self._block = memoryview(data)
        self._at = 0
        return bool(data)


def _fields(header: bytes) -> tuple[bytes, ...]:
    expected = _number(header[_CHECKSUM])
    actual = sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")
    if actual != expected:
        raise NotATar("the checksum of a header is wrong")
    return _HEADER.unpack(header)


def _member(fields: tuple[bytes, ...], size: int, extended: dict[str, str]) -> Member:
    name = extended.get("path")
    if name is None:
        name = _text(fields[0])
        prefix = _text(fields[14])
        if prefix and fields[9] == b"ustar\x0000":
            name = f"{prefix}/{name}"
    kind = _KINDS.get(fields[7], "other")
    if kind == "file" and name.endswith("/") and fields[7] == b"\0":
        kind = "directory"  # as before POSIX
    if any(key.startswith(_SPARSE) for key in extended):
        raise NotATar(f"it holds {name!r} as a sparse file")
    if "size" in extended:
        size = _decimal(extended["size"])
    uid, gid = (
        _decimal(extended[key]) if key in extended else _number(field)
        for key, field in (("uid", fields[2]), ("gid", fields[3]))
    )
    if max(uid, gid) > _LARGEST_ID:
        raise NotATar(f"it holds {name!r} for the user {uid} and group {gid}")
    mtime = extended.get("mtime", str(_number(fields[5])))
    if _SECONDS.fullmatch(mtime) is None:
        raise NotATar(f"it holds {name!r} with the time {mtime[:40]!r}")
    target = extended.get("linkpath")
    return Member(
        name=name,
        kind=kind,
        size=size,
        mode=_number(fields[1]),
        uid=uid,
        gid=gid,
        mtime=float(mtime),
        target=_text(fields[8]) if target is None else target,
    )


def _pax(data: bytes) -> dict[str, str]:
    """The records of an extended header, each with its own length before it: `11 uid=1000`."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        digits, space, _ = data[at : at + 20].partition(b" ")
        end = at + (int(digits) if digits.isdigit() else 0)
        key, equals, value = data[at + len(digits) + 1 : end - 1].partition(b"=")
        if not space or not equals or data[end - 1 : end] != b"\n":
            raise NotATar("a pax header cannot be read")
        records[_decoded(key)] = _decoded(value)
        at = end
    return records


def _number(field: bytes) -> int:
    """Octal digits, or, with the highest bit set, a large number in binary."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    if not digits:
        return 0
    if not digits.isdigit():
        raise NotATar("a header holds no number where one should be")
    try:
        return int(digits, 8)
    except ValueError:
        raise NotATar("a header holds no octal number where one should be") from None


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise NotATar(f"a pax header holds {text[:40]!r} where a number should be")
    return int(text)


def _text(field: bytes) -> str:
    return _decoded(field.partition(b"\0")[0])


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
