"""Wheels as entries of a layer: streamed from zip to tar, not installed.

`purelib` and `platlib` lie in Debian's dist-packages, scripts in /usr/local/bin. RECORD is kept as
it was published; what an installer would add (INSTALLER, REQUESTED, direct_url.json, and programs
for console-script entry points) is not made: nothing in an image calls them, and `python -m` works.
Bytecode in a wheel is left out, for it is made anew. Source: PyPA, "Binary distribution format".
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from hashlib import sha256
from zipfile import BadZipFile, ZipFile, ZipInfo

from shipmark import digest as digests
from shipmark.builders.part import Part
from shipmark.builders.spool import Workspace
from shipmark.builders.zip_member import open_member
from shipmark.errors import BuildError
from shipmark.lock.lock import Wheel
from shipmark.oci.layer import CHUNK_BYTES, File, parents
from shipmark.store import Store

_MADE_BY_INSTALLERS = {"INSTALLER", "REQUESTED", "direct_url.json"}
_SHEBANG = b"#!python"
_ENCRYPTED = 0x1
_UNIX = 3


def entries(archive: ZipFile, wheel: Wheel, python: str) -> Iterator[File]:
    """What an image holds of a wheel.

    Args:
        archive: The wheel, open for as long as the entries are read.
        wheel: The same wheel as the lock names it.
        python: Minor version of the image's Python, such as `3.11`.

    Raises:
        BuildError: A path leads out of its place, or two members give one path.
    """
    seen: dict[str, ZipInfo] = {}
    for member in archive.infolist():
        path = None if member.is_dir() else _place(member.filename, wheel, python)
        if path is None:
            continue
        if member.flag_bits & _ENCRYPTED:
            raise _broken(wheel, f"{member.filename} is encrypted")
        if (twin := seen.setdefault(path, member)) is not member:
            if (twin.CRC, twin.file_size) != (member.CRC, member.file_size):
                raise _broken(wheel, f"it holds {member.filename} twice, with different content")
            continue
        yield _file(archive, member, path, wheel, python)


def wheel_parts(
    wheels: Iterable[Wheel], *, python: str, store: Store, workspace: Workspace
) -> list[Part]:
    """What an image holds of each wheel; a path that several give is the first one's.

    Raises:
        DigestMismatch: A wheel in the store is not the one of the lock.
        BuildError: As for `entries`.
    """
    given: set[str] = set()
    parts = []
    for wheel in wheels:
        store.verify(digests.from_hex(wheel.sha256))
        archive = workspace.hold(open_wheel(wheel, store))
        files = tuple(file for file in entries(archive, wheel, python) if file.path not in given)
        given.update(file.path for file in files)
        parts.append(Part(name=f"{wheel.name} {wheel.version}", entries=files))
    return parts


def open_wheel(wheel: Wheel, store: Store) -> ZipFile:
    """Open a wheel of the store; its bytes are not checked.

    Raises:
        BuildError: It is no zip.
    """
    path = store.path(digests.from_hex(wheel.sha256))
    try:
        return ZipFile(path)
    except (BadZipFile, OSError) as error:
        raise _broken(wheel, str(error)) from error


def check_collisions(wheels: Sequence[Wheel], *, python: str, store: Store) -> None:
    """Refuse wheels that give the same path with other bytes.

    Raises:
        BuildError: Two wheels differ about a path; it names both.
    """
    with ExitStack() as stack:
        owners: dict[str, tuple[str, File]] = {}
        for wheel in wheels:
            archive = stack.enter_context(open_wheel(wheel, store))
            for file in entries(archive, wheel, python):
                other, twin = owners.setdefault(file.path, (wheel.name, file))
                if twin is not file and not _same(twin, file):
                    raise _collision(file.path, wheel.name, other)
    for path, (name, _) in owners.items():
        for parent in parents(path):
            if parent in owners:
                raise _collision(parent, name, owners[parent][0])


def _collision(path: str, one: str, other: str) -> BuildError:
    return BuildError(
        f"tried to put {one} into the image: /{path} is in {other} as well, and differs",
        hint="leave one of the two out of the requirements",
    )


def _place(name: str, wheel: Wheel, python: str) -> str | None:
    """The path in the image of a member; None for what stays out."""
    parts = name.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise _broken(wheel, f"the path {name!r} leads out of it")
    site = f"usr/local/lib/python{python}/dist-packages"
    top, *rest = parts
    if "__pycache__" in parts and name.endswith(".pyc"):
        return None
    if top.endswith(".dist-info") and len(rest) == 1 and rest[0] in _MADE_BY_INSTALLERS:
        return None
    if not top.endswith(".data") or len(rest) < 2:
        return f"{site}/{name}"
    roots = {
        "purelib": site,
        "platlib": site,
        "scripts": "usr/local/bin",
        "data": "usr/local",
        "headers": f"usr/local/include/python{python}/{wheel.name}",
    }
    if rest[0] not in roots:
        raise _broken(wheel, f"{name!r} belongs to no installation scheme")
    return "/".join((roots[rest[0]], *rest[1:]))


def _file(archive: ZipFile, member: ZipInfo, path: str, wheel: Wheel, python: str) -> File:
    size = member.file_size
    opener = partial(_Member, archive, member, wheel)
    if not _is_script(member.filename):
        marked = member.create_system == _UNIX and bool(member.external_attr >> 16 & 0o100)
        return File(path, size, opener, executable=marked)
    start = opener().read(len(_SHEBANG))
    if start == _SHEBANG:
        text = _with_interpreter(File(path, size, opener).read(), python)
        return File.of_bytes(path, text, executable=True)
    return File(path, size, opener, executable=True)


def _is_script(name: str) -> bool:
    parts = name.split("/")
    return len(parts) > 2 and parts[0].endswith(".data") and parts[1] == "scripts"


def _with_interpreter(text: bytes, python: str) -> bytes:
    """A script whose first line calls the image's Python, as the specification asks."""
    _, _, rest = text.partition(b"\n")
    return f"#!/usr/bin/python{python}\n".encode() + rest


class _Member:
    """A member of a wheel being read; its errors name the wheel."""

    def __init__(self, archive: ZipFile, member: ZipInfo, wheel: Wheel) -> None:
        self._wheel = wheel
        try:
            self._stream = open_member(archive, member)
        except (BadZipFile, NotImplementedError, OSError) as error:
            raise _broken(wheel, str(error)) from error

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except (BadZipFile, EOFError, OSError) as error:
            raise _broken(self._wheel, str(error)) from error

    def close(self) -> None:
        self._stream.close()


def _same(one: File, other: File) -> bool:
    return one.size == other.size and _content(one) == _content(other)


def _content(file: File) -> bytes:
    state = sha256()
    with closing(file.open()) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            state.update(chunk)
    return state.digest()


def _broken(wheel: Wheel, reason: str) -> BuildError:
    return BuildError(
        f"tried to read the wheel {wheel.filename}: {reason}",
        hint=f"choose another version of {wheel.name}, or report it to its authors",
    )
