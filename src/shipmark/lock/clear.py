"""Emptying the cache of downloads."""

import fcntl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shipmark.store.removal import Removal


def clear(cache: Path, removal: Removal) -> None:
    """Take away all downloads and uv's own cache; what is being fetched just now stays.

    Args:
        cache: As in `Sources`.
        removal: Takes it away.

    Raises:
        ShipmarkError: The disk refuses.
    """
    for path in (*_in(cache / "sha256"), *_in(cache / "tmp"), *_unfinished(cache / "partial")):
        removal.take("download", path)
    removal.take("cache of uv", cache / "uv")


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _unfinished(folder: Path) -> Iterator[Path]:
    """The partial downloads that nobody is at; held while the caller looks at each."""
    for path in _in(folder):
        with suppress(FileNotFoundError, BlockingIOError), path.open("rb+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
