"""Whether this host can run a sandbox, and if not, which setting is in the way."""

import os
import platform
import shutil
from pathlib import Path

from shipmark.errors import TargetUnavailable
from shipmark.targets.process import seccomp
from shipmark.targets.process.seccomp import Architecture

# Settings that forbid user namespaces: (file below /proc/sys, the value that does, the mend).
_SETTINGS = (
    ("kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap",
    ),
)


def bubblewrap() -> str:
    """Path of the program.

    Raises:
        TargetUnavailable: It is not installed.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise TargetUnavailable(
            "the sandbox needs bubblewrap, and there is no bwrap on the PATH",
            hint="apt install bubblewrap (or dnf, apk, pacman: the package has the same name)",
        )
    return os.path.realpath(found)


def architecture() -> Architecture:
    """What the seccomp filter is made for.

    Raises:
        TargetUnavailable: There is no filter for this processor, or this is not Linux.
    """
    known = seccomp.ARCHITECTURES.get(platform.machine())
    if platform.system() != "Linux" or known is None:
        raise TargetUnavailable(
            f"the sandbox runs on Linux on amd64 and arm64; this is {platform.system()} on "
            f"{platform.machine()}",
            hint="use a container engine here",
        )
    return known


def check() -> None:
    """Refuse a host on which nothing can start.

    Raises:
        TargetUnavailable: Something is missing or forbidden; the message names it.
    """
    architecture()
    bubblewrap()
    setting = forbidding_setting()
    if setting is not None:
        name, mend = setting
        raise TargetUnavailable(
            f"this host forbids user namespaces, which the sandbox is made of: {name}", hint=mend
        )


def forbidding_setting() -> tuple[str, str] | None:
    """The setting that forbids user namespaces, and how to change it."""
    for name, value, mend in _SETTINGS:
        try:
            actual = Path("/proc/sys", name).read_text("ascii").strip()
        except OSError:
            continue
        if actual == value:
            return f"{name.replace('/', '.')} is {actual}", mend
    return None


def counts_processes_apart() -> bool:
    """Whether RLIMIT_NPROC counts a user namespace's processes alone, as since Linux 5.14."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor.split("-")[0])) >= (5, 14)
