"""The few system calls that Python 3.11 has no words for."""

import ctypes
import os
import signal
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
_PR_SET_PDEATHSIG = 1

_CLONE = {"x86_64": 56, "aarch64": 220}

_libc = ctypes.CDLL(None, use_errno=True)
# Keeps the interpreter's lock during a call, as one that returns twice needs.
_python = ctypes.PyDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{call}: {os.strerror(code)}")


def fork_into(namespaces: int) -> int:
    """Fork, the child in new namespaces; 0 in the child, its process number in the parent.

    For a process of one thread: Python and the C library do not hear of it.

    Raises:
        OSError: The kernel refused.
    """
    number = _CLONE[os.uname().machine]
    pid = int(_python.syscall(number, ctypes.c_ulong(namespaces | signal.SIGCHLD), 0, 0, 0, 0))
    _check(min(pid, 0), "clone into new namespaces")
    return pid


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system, or change how mounts propagate.

    Raises:
        OSError: The kernel refused.
    """
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(result, f"mount {kind or 'propagation'} on {target}")


def set_parent_death_signal(number: int) -> None:
    """Have the kernel send signal `number` to this process when its parent dies."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0), "prctl")


def sync_file_system(path: Path) -> None:
    """Write the file system on which `path` lies to its disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _check(_libc.syncfs(ctypes.c_int(descriptor)), "syncfs")
    finally:
        os.close(descriptor)
