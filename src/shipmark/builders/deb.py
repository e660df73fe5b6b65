"""Debian packages, read without dpkg: what they hold, as entries of a layer.

No maintainer script is run; of the control archive two files are read. Paths come out as on a
merged /usr. Source: deb(5), deb-control(5), ar(5).
"""

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, cast

from shipmark.builders.spool import Spool
from shipmark.errors import BuildError
from shipmark.oci.layer import Directory, Entry, File, Symlink

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Directories of the root that are links into /usr. Source: Debian's usrmerge."""

_CHUNK_BYTES = 1 << 20
_CONTROL_BYTES = 16 << 20
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one package holds."""

    control: bytes
    """Its control stanza."""
    md5sums: bytes
    """Empty where the package has none."""
    entries: tuple[Entry, ...]


def read(stream: BinaryIO, name: str, spool: Spool) -> Contents:
    """Read a package.

    Args:
        stream: The `.deb`.
        name: What messages call it.
        spool: An empty one that takes the unpacked data; the entries read from it.

    Raises:
        BuildError: It is no Debian package, or holds what no image may hold.
    """
    control: dict[str, bytes] | None = None
    entries: tuple[Entry, ...] | None = None
    try:
        for member, section in _members(stream, name):
            if member.startswith("control.tar"):
                control = _control(_unpacked(section, member, name))
            elif member.startswith("data.tar"):
                _fill(_unpacked(section, member, name), spool)
                entries = tuple(_entries(spool, name))
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError, OSError) as error:
        raise _broken(name, str(error)) from error
    if control is None or entries is None or "control" not in control:
        raise _broken(name, "it has no control file or no data")
    return Contents(
        control=control["control"], md5sums=control.get("md5sums", b""), entries=entries
    )


def merged(path: str) -> str:
    """Where a path of a package lies once /bin, /sbin and /lib* are links into /usr."""
    first = path.split("/", 1)[0]
    return f"usr/{path}" if first in MERGED else path


def _members(stream: BinaryIO, name: str) -> Iterator[tuple[str, BinaryIO]]:
    if stream.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise _broken(name, "it is no ar archive")
    position = len(_AR_MAGIC)
    while header := stream.read(_AR_HEADER_BYTES):
        if len(header) != _AR_HEADER_BYTES or header[58:] != b"`\n":
            raise _broken(name, "an ar header is damaged")
        size = int(header[48:58])
        member = header[:16].decode("ascii").rstrip().rstrip("/")
        yield member, cast("BinaryIO", io.BufferedReader(_Section(stream, size), _CHUNK_BYTES))
        position += _AR_HEADER_BYTES + size + size % 2
        stream.seek(position)


class _Section(io.RawIOBase):
    """The next `size` bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        data = self._stream.read(min(len(view), self._left))
        if not data and self._left:
            raise EOFError("it ends too early")
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _unpacked(section: BinaryIO, member: str, name: str) -> BinaryIO:
    match member.rpartition(".")[2]:
        case "xz":
            return cast("BinaryIO", lzma.LZMAFile(section))
        case "gz":
            return cast("BinaryIO", gzip.GzipFile(fileobj=section))
        case "tar":
            return section
        case other:
            raise _broken(name, f"{member} is packed with {other}; xz and gz can be read")


def _control(stream: BinaryIO) -> dict[str, bytes]:
    data = stream.read(_CONTROL_BYTES + 1)
    if len(data) > _CONTROL_BYTES:
        raise ValueError("its control archive is too large")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            content = archive.extractfile(member) if member.isreg() else None
            if path in {"control", "md5sums"} and content is not None:
                found[path] = content.read()
    return found


def _fill(stream: BinaryIO, spool: Spool) -> None:
    while chunk := stream.read(_CHUNK_BYTES):
        spool.write(chunk)
    spool.flush()


def _entries(spool: Spool, name: str) -> Iterator[Entry]:
    files: dict[str, File] = {}
    with spool.stream() as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            path = _plain(member.name, name)
            if path == "" or (path in MERGED and member.issym()):
                continue
            path = merged(path)
            if member.isdir():
                yield Directory(path, shared=bool(member.mode & 0o1000))
            elif member.issym():
                yield Symlink(path, member.linkname)
            elif member.islnk():
                linked = files.get(merged(_plain(member.linkname, name)))
                if linked is None:
                    raise _broken(name, f"{member.name} is a link to nothing")
                yield replace(linked, path=path)
            elif member.isreg() and not member.issparse():
                opener = spool.opener(member.offset_data, member.size)
                files[path] = File(path, member.size, opener, bool(member.mode & 0o100))
                yield files[path]
            else:
                raise _broken(name, f"{member.name} is a device or another special file")


def _plain(path: str, name: str) -> str:
    plain = path.removeprefix("./").rstrip("/")
    if plain in {"", "."}:
        return ""
    if any(part in {"", ".", ".."} for part in plain.split("/")):
        raise _broken(name, f"the path {path!r} leads out of it")
    return plain


def _broken(name: str, reason: str) -> BuildError:
    return BuildError(
        f"tried to read the Debian package {name}: {reason}",
        hint="lock the base again: shipmark lock --upgrade base",
    )
