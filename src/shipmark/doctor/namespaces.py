"""Whether an ordinary user may make user namespaces, which the sandbox is made of."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

from shipmark.doctor.finding import Finding
from shipmark.doctor.trial import refusal, tried
from shipmark.targets.process import host, linux, overlay

_LIMIT = Path("/proc/sys/user/max_user_namespaces")
_PR_SET_DUMPABLE = 4


def check() -> Finding:
    """Make one, with a mount and a process namespace in it, as user 65532 where root asks."""
    refused = refusal(__name__)
    setting = host.forbidding_setting()
    if setting is not None:
        name, mend = setting
        tail = f" ({refused})" if refused else ""
        return Finding.failed(f"user namespaces are forbidden: {name}{tail}", mend=mend)
    if refused:
        return Finding.failed(
            f"user namespaces are refused: {refused}",
            mend="in a container: allow them in its seccomp and AppArmor profiles (docker run "
            "--security-opt seccomp=... --security-opt apparmor=unconfined); elsewhere see "
            "sysctl user.max_user_namespaces",
        )
    limit = ""
    with suppress(OSError):
        limit = f", {_LIMIT.read_text('ascii').strip()} at most"
    return Finding.ok(f"user, mount and process namespaces can be made{limit}")


def _try() -> None:
    overlay.drop_root()
    # A change of user made /proc/self root's; the sandbox's exec would have given it back.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    user, group = os.geteuid(), os.getegid()
    child = linux.fork_into(linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID)
    if child == 0:
        said = tried(lambda: overlay.settle(user, group))
        if said:
            os.write(2, said.encode())
        os._exit(1 if said else 0)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(tried(_try))
