"""Who is at work in a store, and what they have in hand.

Whoever needs what it finds or puts there to stay shares one lock; gc takes it alone, so that
nothing is taken away from work in progress. Whoever has a file in `tmp/` holds the lock as well:
once somebody has it alone, what lies there was left by the dead.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shipmark.errors import ShipmarkError
from shipmark.progress import Progress, Silent
from shipmark.store import advisory
from shipmark.store.disk import explained


class Workplace:
    """The `tmp/` and `locks/` of the store at `root`; made when first needed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def shared(self, progress: Progress | None = None) -> Iterator[None]:
        """Be at work beside any number of others.

        Args:
            progress: Told when gc must be waited for.
        """
        watcher = progress or Silent()
        waiting = "waiting until `shipmark gc` is done"
        with advisory.shared(self._gate(), lambda: watcher.note(waiting)):
            yield

    @contextmanager
    def alone(self, *, wait_s: float | None, progress: Progress) -> Iterator[None]:
        """Keep everybody else out; see `Store.alone`."""
        waiting = f"waiting for those at work in the store {self._root}"
        try:
            with advisory.exclusive(
                self._gate(), wait_s=wait_s, told=lambda: progress.note(waiting)
            ):
                yield
        except advisory.Held:
            raise ShipmarkError(
                f"the store {self._root} is in use: something is being locked, built or started",
                hint="wait until that is done",
            ) from None

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the advisory lock `name`; see `Store.locked`."""
        path = self.folder("locks") / name
        with self.shared(), advisory.exclusive(path, told=lambda: None):
            yield

    def sweep(self) -> None:
        """Empty `tmp/`, if nobody is at work."""
        with suppress(OSError, ShipmarkError, advisory.Held):
            if any(self.left()):
                with advisory.exclusive(self._gate(), wait_s=0, told=lambda: None):
                    for path in self.left():
                        remove(path)

    def left(self) -> list[Path]:
        """What lies in `tmp/`."""
        folder = self._root / "tmp"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    # -- what is in hand -----------------------------------------------------------------

    @contextmanager
    def file(self) -> Iterator[Path]:
        """An empty file; removed at the end unless it was moved elsewhere."""
        with self.shared():
            path = self.folder("tmp") / secrets.token_hex(8)
            with explained(path):
                path.touch(exist_ok=False)
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory; removed at the end."""
        with self.shared():
            path = self.folder("tmp") / secrets.token_hex(8)
            with explained(path):
                path.mkdir(mode=0o700)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def replace(self, path: Path, data: bytes) -> None:
        """Write a small file: it is there whole or not at all, also after a power failure."""
        with self.file() as beside, explained(path, need_bytes=len(data)):
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            beside.rename(path)

    def folder(self, name: str) -> Path:
        """A folder of the store, made where it is not there."""
        path = self._root / name
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def _gate(self) -> Path:
        return self.folder("locks") / "gc"


def remove(path: Path) -> None:
    """Remove a file, or a directory with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
