"""Places on a disk: what is there of them, and room to try something out."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipmark.store.disk import explained


def existing(folder: Path) -> Path:
    """`folder`, or the nearest one above it that is there."""
    return next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A directory on the file system of `folder`, removed at the end.

    Raises:
        ShipmarkError: Nothing can be written there.
    """
    with explained(folder):
        made = tempfile.TemporaryDirectory(
            prefix=".shipmark-doctor-", dir=existing(folder), ignore_cleanup_errors=True
        )
    with made as path:
        yield Path(path)


def file_system(path: Path) -> str:
    """The kind of file system that `path` lies on, such as `ext4`; empty where unknown."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    place, kind, longest = path.resolve(), "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        mount_point = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        # A later mount of the same place lies over an earlier one.
        if place.is_relative_to(mount_point) and len(mount_point.parts) >= longest:
            kind, longest = after.split(" ")[0], len(mount_point.parts)
    return kind
