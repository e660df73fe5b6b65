"""The files of a package before anything is known of them but their names."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from shipmark.digest import CHUNK_BYTES
from shipmark.errors import Complaint, PackageError
from shipmark.package.complaints import Complaints, refusal
from shipmark.package.package import FileEntry, Source
from shipmark.package.paths import collisions, show

MAX_FILES = 100_000
HASHING_THREADS = 4

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Found:
    """One file as its directory or zip announces it."""

    path: str
    size: int
    executable: bool


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


def hash_files(tree: Tree, complaints: Complaints) -> tuple[FileEntry, ...]:
    """Read every file once; those that cannot be read are complained of."""
    entries: list[FileEntry] = []
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        for result in pool.map(lambda found: _hash(tree, found), tree.found):
            if isinstance(result, FileEntry):
                entries.append(result)
            else:
                complaints.add(result.place, result.message, result.mend)
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _hash(tree: Tree, found: Found) -> FileEntry | Complaint:
    state = hashlib.sha256()
    size = 0
    try:
        with reading(found.path), tree.open(found.path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                if size == 0:
                    refuse_pointer(found.path, chunk)
                state.update(chunk)
                size += len(chunk)
    except PackageError as error:
        return error.complaints[0]
    if size != found.size:
        return Complaint(
            found.path,
            f"has {size} bytes where {found.size} were announced",
            "do not change the package while it is read; if nobody does, pack it again",
        )
    return FileEntry(
        path=found.path, sha256=state.hexdigest(), size=size, executable=found.executable
    )
