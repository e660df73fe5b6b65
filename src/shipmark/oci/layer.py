"""Layers: tar archives that are the same bytes wherever and whenever they are written.

Entries are sorted by path, owned by 0:0 and dated at the epoch that is asked for; a mode is 0644
or 0755 (1777 for a shared temporary directory). Headers are ustar; a pax header stands before an
entry only where ustar cannot say it: a path or link over 100 bytes or not in ASCII, a size of
8 GiB or more. The bytes are Shipmark's own, so no release of a tar library can change them.
Source: OCI image specification, "Image Layer Filesystem Changeset"; POSIX.1-2017, pax.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Protocol, Self

from shipmark.errors import BuildError

CHUNK_BYTES = 1 << 20
_BLOCK = 512
_NAME_BYTES = 100
_SIZE_LIMIT = 8**11
_USTAR = struct.Struct("100s 8s 8s 8s 12s 12s 8s 1s 100s 8s 32s 32s 8s 8s 155s 12x")
_CHECKSUM = 148


class Reader(Protocol):
    """Bytes that come one after the other."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""

    def close(self) -> None:
        """Let go of it."""


class Writer(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; `open` gives exactly `size` bytes."""

    path: str
    size: int
    open: Callable[[], Reader]
    executable: bool = False

    @classmethod
    def of_bytes(cls, path: str, data: bytes, *, executable: bool = False) -> Self:
        """A file whose content is at hand."""
        return cls(path, len(data), partial(BytesIO, data), executable)

    def read(self) -> bytes:
        """All of a small file; read to the end, for only there some sources check themselves."""
        with closing(self.open()) as stream:
            return b"".join(iter(partial(stream.read, CHUNK_BYTES), b""))


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory; `shared` ones are writable by everyone (1777)."""

    path: str
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link; `target` is kept as it is."""

    path: str
    target: str


Entry = File | Directory | Symlink


def arranged(entries: Iterable[Entry]) -> list[Entry]:
    """Sort entries for a layer and add the directories above them.

    Raises:
        BuildError: A path is not a plain relative one, stands there twice, or lies below
            something that is no directory.
    """
    by_path: dict[str, Entry] = {}
    for entry in entries:
        _check_path(entry.path)
        known = by_path.get(entry.path)
        if known is None or (isinstance(known, Directory) and known == entry):
            by_path[entry.path] = entry
        elif isinstance(known, Directory) and isinstance(entry, Directory):
            by_path[entry.path] = Directory(entry.path, shared=True)
        else:
            raise BuildError(f"tried to write a layer: it holds {entry.path} twice")
    for path in list(by_path):
        for parent in parents(path):
            above = by_path.setdefault(parent, Directory(parent))
            if not isinstance(above, Directory):
                raise BuildError(
                    f"tried to write a layer: {path} lies below {parent}, which is no directory"
                )
    return [by_path[path] for path in sorted(by_path, key=str.encode)]


def write_tar(entries: Iterable[Entry], out: Writer, *, epoch: int) -> None:
    """Write a tar of `entries` (as `arranged` gives them) to `out`.

    Args:
        entries: In the order they are written.
        out: Where the bytes go.
        epoch: The time of every entry, in seconds since 1970-01-01 UTC.

    Raises:
        BuildError: A file gave more or fewer bytes than its size.
    """
    for entry in entries:
        out.write(_header(entry, epoch))
        if isinstance(entry, File):
            _copy(entry, out)
            out.write(bytes(-entry.size % _BLOCK))
    out.write(bytes(2 * _BLOCK))


def _copy(entry: File, out: Writer) -> None:
    left = entry.size
    with closing(entry.open()) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                break
            out.write(chunk)
    if left:
        change = "grew" if left < 0 else "shrank"
        raise BuildError(
            f"tried to write {entry.path} into a layer: it {change} while it was read",
            hint="let nothing write to the files while they are built",
        )


def _check_path(path: str) -> None:
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\0" in path:
        raise BuildError(f"tried to write a layer: {path!r} is not a plain relative path")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BuildError(f"tried to write a layer: {path!r} is not valid UTF-8") from None


def parents(path: str) -> Iterator[str]:
    """The directories above a path, nearest first."""
    while (cut := path.rfind("/")) >= 0:
        path = path[:cut]
        yield path


def _header(entry: Entry, epoch: int) -> bytes:
    name, link, size = entry.path, "", 0
    if isinstance(entry, File):
        kind, mode, size = b"0", 0o755 if entry.executable else 0o644, entry.size
    elif isinstance(entry, Directory):
        kind, mode, name = b"5", 0o1777 if entry.shared else 0o755, f"{name}/"
    else:
        kind, mode, link = b"2", 0o777, entry.target
    extended = {}
    if not _fits(name):
        extended["path"] = name
    if not _fits(link):
        extended["linkpath"] = link
    if size >= _SIZE_LIMIT:
        extended["size"], size = str(size), 0
    fields = _ustar(
        kind=kind, name=_shortened(name), link=_shortened(link), mode=mode, size=size, epoch=epoch
    )
    return _pax(extended, epoch) + fields if extended else fields


def _fits(text: str) -> bool:
    return len(text) <= _NAME_BYTES and text.isascii()


def _shortened(text: str) -> bytes:
    return text.encode("ascii", "replace")[:_NAME_BYTES]


def _pax(fields: dict[str, str], epoch: int) -> bytes:
    records = b"".join(_pax_record(key, fields[key]) for key in sorted(fields))
    header = _ustar(
        kind=b"x", name=b"././@PaxHeader", link=b"", mode=0o644, size=len(records), epoch=epoch
    )
    return header + records + bytes(-len(records) % _BLOCK)


def _pax_record(key: str, value: str) -> bytes:
    """Length, a space, key=value and a line feed; the length counts its own digits."""
    body = f" {key}={value}\n".encode()
    length = len(body)
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def _ustar(*, kind: bytes, name: bytes, link: bytes, mode: int, size: int, epoch: int) -> bytes:
    blank = _USTAR.pack(
        name, b"%07o" % mode, b"%07o" % 0, b"%07o" % 0, b"%011o" % size, b"%011o" % epoch,
        b" " * 8, kind, link, b"ustar\00000", b"", b"", b"%07o" % 0, b"%07o" % 0, b"",
    )  # fmt: skip
    return blank[:_CHECKSUM] + b"%06o\0 " % sum(blank) + blank[_CHECKSUM + 8 :]
