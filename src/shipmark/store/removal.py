"""Taking things off the disk, or only finding out what that would free."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shipmark.store.disk import explained
from shipmark.store.workplace import remove

_BLOCK_BYTES = 512
"""What `st_blocks` counts in. Source: stat(2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """One thing that was taken away."""

    kind: str
    path: Path
    size_bytes: int
    """What it occupied on the disk."""


class Removal:
    """What is taken away, and how much room that makes.

    Args:
        trash: Where directories are moved to before they are emptied, so that none is ever there
            in part.
        dry_run: Take nothing away.
    """

    def __init__(self, *, trash: Path, dry_run: bool) -> None:
        self.removed: list[Removed] = []
        self.freed_bytes = 0
        """What the disk gains: a file that has another name elsewhere stays there."""
        self._trash = trash
        self._dry_run = dry_run
        self._left: dict[tuple[int, int], int] = {}
        """Of each file, by device and inode: how many names are left."""

    def take(self, kind: str, path: Path) -> None:
        """Take away a file, or a directory with all that is in it.

        Raises:
            ShipmarkError: The disk refuses.
        """
        if not os.path.lexists(path):
            return
        with explained(path, doing="remove"):
            size_bytes = sum(self._count(status) for status in _statuses(path))
            if not self._dry_run:
                remove(self._moved(path))
        self.removed.append(Removed(kind=kind, path=path, size_bytes=size_bytes))

    def _count(self, status: os.stat_result) -> int:
        occupied = status.st_blocks * _BLOCK_BYTES
        inode = (status.st_dev, status.st_ino)
        self._left[inode] = self._left.get(inode, _names(status)) - 1
        if self._left[inode] == 0:
            self.freed_bytes += occupied
        return occupied

    def _moved(self, path: Path) -> Path:
        if path.is_symlink() or not path.is_dir() or path.parent == self._trash:
            return path
        with suppress(OSError):
            self._trash.mkdir(exist_ok=True)
            return path.rename(self._trash / secrets.token_hex(8))
        return path  # on another file system


def size_on_disk(path: Path) -> int:
    """What a file, or a directory with all that is in it, occupies; 0 where it cannot be seen."""
    try:
        return sum(status.st_blocks * _BLOCK_BYTES for status in _statuses(path))
    except OSError:
        return 0


def _names(status: os.stat_result) -> int:
    """How many names must go before the room is free; those of a directory are its own affair."""
    return 1 if stat.S_ISDIR(status.st_mode) else status.st_nlink


def _statuses(path: Path) -> Iterator[os.stat_result]:
    status = path.lstat()
    yield status
    if stat.S_ISDIR(status.st_mode):
        with os.scandir(path) as entries:
            for entry in entries:
                yield from _statuses(Path(entry.path))
