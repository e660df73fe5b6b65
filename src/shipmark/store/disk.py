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
_IN_THE_WAY = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP}


@contextmanager
def explained(path: Path, *, need_bytes: int | None = None, doing: str = "write") -> Iterator[None]:
    """Turn a refusal of the operating system into a ShipmarkError.

    Args:
        path: What is being written or read.
        need_bytes: How much is to be written, where it is known.
        doing: What is tried with it, as the message says it.
    """
    try:
        yield
    except OSError as error:
        raise _explanation(path, error, need_bytes, doing) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explanation(path: Path, error: OSError, need_bytes: int | None, doing: str) -> ShipmarkError:
    if error.errno in _FULL:
        need = "" if need_bytes is None else f"{need_bytes} bytes are needed, "
        return ShipmarkError(
            f"the disk is full: tried to write {path}; {need}{_free(path)} bytes are free",
            hint="free some space there, or set SHIPMARK_HOME to a folder on a larger disk",
        )
    tried = f"tried to {doing} {path}: {(error.strerror or str(error)).lower()}"
    if error.errno in _FORBIDDEN:
        right = "readable" if doing == "read" else "writable"
        return ShipmarkError(
            tried, hint=f"make it {right} for this user, or set SHIPMARK_HOME to another folder"
        )
    if error.errno in _IN_THE_WAY:
        return ShipmarkError(
            tried,
            hint=f"move away what lies there in the place of a {_kind_wanted(error)}, or set "
            "SHIPMARK_HOME to another folder",
        )
    if doing == "lock":
        return ShipmarkError(
            tried,
            hint="start the lock service of the network file system (rpc.statd), or set "
            "SHIPMARK_HOME to a folder on a local disk",
        )
    return ShipmarkError(tried, hint="look at the disk and try again")


def _kind_wanted(error: OSError) -> str:
    return "file" if error.errno == errno.EISDIR else "folder"


def _free(path: Path) -> int:
    existing = next((folder for folder in path.parents if folder.exists()), Path("/"))
    return shutil.disk_usage(existing).free
