"""Whether an unpacked layer would survive a power failure.

A model need not wait for the disk: as long as the host runs, what was written can be read. So a
fresh layer is marked with the boot in which it was unpacked. Later, with the model ready,
`settle` has it written to the disk and takes the mark away. A mark of an earlier boot means that
the power may have failed in between: names may be there without their content.
"""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shipmark.targets.process import linux

_MARK = "user.shipmark.boot"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def mark(layer: Path) -> None:
    """Note that the layer may not be on the disk yet.

    Raises:
        OSError: This file system takes no notes; sync it.
    """
    os.setxattr(layer, _MARK, _BOOT.read_bytes())


def is_lost(layer: Path) -> bool:
    """Whether the host went down before the layer was on the disk."""
    found = _mark_of(layer)
    return found is not None and found != _BOOT.read_bytes()


def settle(layers: Sequence[Path]) -> None:
    """Have marked layers written to the disk, which may take long."""
    marked = [layer for layer in layers if _mark_of(layer) is not None]
    if marked:
        linux.sync_file_system(marked[0])
    for layer in marked:
        with suppress(OSError):
            os.removexattr(layer, _MARK)


def settle_meanwhile(layers: Sequence[str]) -> None:
    """Do it in a process that nobody waits for. For a caller of one thread."""
    if all(_mark_of(Path(layer)) is None for layer in layers):
        return
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.closerange(3, os.sysconf("SC_OPEN_MAX"))
                os.execv(sys.executable, [sys.executable, "-P", "-m", __name__, *layers])  # noqa: S606 - no shell is what we want
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _mark_of(layer: Path) -> bytes | None:
    try:
        return os.getxattr(layer, _MARK)
    except OSError:
        return None


if __name__ == "__main__":
    settle([Path(layer) for layer in sys.argv[1:]])
