"""Whether the kernel takes the filter that refuses system calls to a model, and keeps to it."""

import ctypes
import errno
import os
import socket
import sys

from shipmark.doctor.finding import Finding
from shipmark.doctor.trial import refusal, tried
from shipmark.targets.process import host, seccomp

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2


class _Program(ctypes.Structure):
    """struct sock_fprog. Source: linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def check() -> Finding:
    """Load the filter into a process and have it try to open a connection."""
    architecture = host.architecture()
    refused = refusal(__name__)
    if refused:
        return Finding.failed(
            f"the system call filter does not hold: {refused}",
            mend="run a kernel with CONFIG_SECCOMP_FILTER; an emulated processor or a sandbox "
            "such as gVisor around this host may not have it",
        )
    return Finding.ok(f"the filter for {architecture.name} is loaded and refuses connect")


def _try() -> None:
    _load(seccomp.program(host.architecture(), network=False))
    with socket.socket() as client:
        client.settimeout(1.0)
        # The discard port of this host: refused there too, but with another error.
        answer = client.connect_ex(("127.0.0.1", 9))
    if answer != errno.EPERM:
        raise OSError(f"connect was not refused, but answered: {os.strerror(answer)}")


def _load(program: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # Kept by name while the kernel reads it; one instruction has 8 bytes.
    packed = _Program(len(program) // 8, program)
    for option, first, second in (
        (_PR_SET_NO_NEW_PRIVS, 1, None),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(packed)),
    ):
        if libc.prctl(option, ctypes.c_ulong(first), second, None, None) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"loading the filter: {os.strerror(code)}")


if __name__ == "__main__":
    sys.exit(tried(_try))
