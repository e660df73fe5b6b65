"""Seals: whether a blob's file was written to since its bytes were last checked.

A checked file is read-only and dated 1980. Whoever writes to it changes the date, so that one look
at the date tells whether the file must be read through before it is trusted; a copy that loses the
date only costs that reading. What a failing disk does to a file leaves the seal: that is found
where the bytes are used.
"""

import os
import shutil
import stat
from pathlib import Path

_DATE_NS = 315_532_800 * 10**9
"""1980-01-01 00:00:00 UTC: the first second that every file system can keep."""


def seal(path: Path) -> None:
    """Mark a file whose bytes were checked.

    Raises:
        OSError: It belongs to somebody else, or the disk refuses.
    """
    path.chmod(0o444)
    os.utime(path, ns=(_DATE_NS, _DATE_NS))


def is_sealed(status: os.stat_result) -> bool:
    """Whether this is a file that nobody wrote to since."""
    return stat.S_ISREG(status.st_mode) and status.st_mtime_ns == _DATE_NS


def link_or_copy(source: Path, target: Path) -> None:
    """Give `target` the bytes of `source`; sealed both, where they can be one file.

    Another file system, or a file of another user, cannot be linked and sealed: it is copied.
    """
    try:
        target.hardlink_to(source)
        seal(target)
    except OSError:
        target.unlink(missing_ok=True)
        with source.open("rb") as read, target.open("xb") as write:
            shutil.copyfileobj(read, write, 1 << 20)
            write.flush()
            os.fsync(write.fileno())
