"""What the operating system says about a disk, as errors a person can act on."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipmark.errors import ShipmarkError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def explained(path: Path, *, need_bytes: int | None = None) -> Iterator[None]:
    """Turn a refusal to write below `path` into a ShipmarkError.

    Args:
        path: What is being written.
        need_bytes: How much is to be written, where it is known.
    """
    try:
        yield
    except OSError as error:
        raise _explanation(path, error, need_bytes) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explanation(path: Path, error: OSError, need_bytes: int | None) -> ShipmarkError:
    if error.errno in _FULL:
        need = "" if need_bytes is None else f"{need_bytes} bytes are needed, "
        return ShipmarkError(
            f"the disk is full: tried to write {path}; {need}{_free(path)} bytes are free",
            hint="free some space there, or set SHIPMARK_HOME to a folder on a larger disk",
        )
    reason = (error.strerror or str(error)).lower()
    if error.errno in _FORBIDDEN:
        return ShipmarkError(
            f"tried to write {path}: {reason}",
            hint="make the folder writable for this user, or set SHIPMARK_HOME to another one",
        )
    return ShipmarkError(f"tried to write {path}: {reason}", hint="look at the disk and try again")


def _free(path: Path) -> int:
    existing = next((folder for folder in path.parents if folder.exists()), Path("/"))
    return shutil.disk_usage(existing).free
