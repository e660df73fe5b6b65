"""The files of a package before anything is known of them but their names."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from shipmark.digest import CHUNK_BYTES
from shipmark.errors import Complaint, PackageError
from shipmark.package.complaints import Complaints, refusal
from shipmark.package.package import FileEntry, Source
from shipmark.package.paths import collisions, show
from shipmark.store.file_hashes import FileHashes

MAX_FILES = 100_000
HASHING_THREADS = 4

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Found:
    """One file as its directory or zip announces it."""

    path: str
    size: int
    executable: bool
    place: Path | None = None
    """Where it lies on this host's disk; None in a zip."""


class Tree(Source, Protocol):
    """A source that has been looked through: unsafe names refused, ignored files left out."""

    @property
    def found(self) -> Sequence[Found]:
        """The package's files, by path."""


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn what the operating system says while a file is read into a PackageError."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        mend = "check the disk it lies on, and try again"
        raise refusal(show(path), f"cannot be read to its end ({reason})", mend) from error


def read_small(source: Source, path: str, limit: int) -> bytes:
    """The whole content of one file.

    Raises:
        PackageError: It cannot be read, or is larger than `limit` bytes.
    """
    with reading(path), source.open(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise refusal(path, f"is larger than {limit} bytes", "make it smaller")
    return data


def refuse_pointer(path: str, head: bytes) -> None:
    """Refuse what Git LFS leaves in place of a file that was not fetched.

    Raises:
        PackageError: `head`, the beginning of the file, is that of a pointer.
    """
    if head.startswith(_LFS_POINTER):
        raise refusal(
            show(path),
            "is a pointer of Git LFS and not the file itself",
            "run `git lfs pull` and try again",
        )


def complain_of_collisions(paths: Sequence[str], complaints: Complaints) -> None:
    """Refuse files that cannot stand side by side on every file system."""
    for one, other in collisions(paths):
        if one == other:
            complaints.add(show(one), "is there twice", "keep one of the two")
        elif other.endswith("/"):
            complaints.add(show(one), f"is a file, and {show(other)} is a folder", "rename one")
        else:
            complaints.add(
                show(one),
                f"differs from {show(other)} in upper and lower case only, "
                "which not every file system can tell apart",
                "rename one of them",
            )


def hash_files(
    tree: Tree, complaints: Complaints, hashes: FileHashes | None = None
) -> tuple[FileEntry, ...]:
    """Read every file once, unless `hashes` knows it; what cannot be read is complained of."""
    entries: list[FileEntry] = []
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        for result in pool.map(lambda found: _hash(tree, found, hashes), tree.found):
            if isinstance(result, FileEntry):
                entries.append(result)
            else:
                complaints.add(result.place, result.message, result.mend)
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _hash(tree: Tree, found: Found, hashes: FileHashes | None) -> FileEntry | Complaint:
    try:
        with reading(found.path), tree.open(found.path) as stream:
            if hashes is None or found.place is None:
                sha256, size = _read(stream, found.path)
            else:
                sha256, size = _recall_or_read(stream, found.path, found.place, hashes)
    except PackageError as error:
        return error.complaints[0]
    if size != found.size:
        return Complaint(
            found.path,
            f"has {size} bytes where {found.size} were announced",
            "do not change the package while it is read; if nobody does, pack it again",
        )
    return FileEntry(path=found.path, sha256=sha256, size=size, executable=found.executable)


def _recall_or_read(
    stream: BinaryIO, path: str, place: Path, hashes: FileHashes
) -> tuple[str, int]:
    before = os.fstat(stream.fileno())
    if (known := hashes.recall(place, before)) is not None:
        return known, before.st_size
    sha256, size = _read(stream, path)
    after = os.fstat(stream.fileno())
    if (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns):
        hashes.remember(place, after, sha256)
    return sha256, size


def _read(stream: BinaryIO, path: str) -> tuple[str, int]:
    state = hashlib.sha256()
    size = 0
    while chunk := stream.read(CHUNK_BYTES):
        if size == 0:
            refuse_pointer(path, chunk)
        state.update(chunk)
        size += len(chunk)
    return state.hexdigest(), size
