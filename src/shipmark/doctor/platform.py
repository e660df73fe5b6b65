"""Whether this is a system that deployments can run on at all."""

import re

from shipmark.doctor.finding import Finding
from shipmark.targets.process import seccomp

_OVERLAY_IN_USER_NAMESPACES = (5, 11)
_PROCESSES_COUNTED_APART = (5, 14)


def check(*, system: str, machine: str, release: str) -> Finding:
    """Look at the operating system.

    Args:
        system: As uname(2) calls it: `Linux`.
        machine: The processor: `x86_64`.
        release: Of the kernel: `6.1.0-18-amd64`.
    """
    found = f"{system} {release} on {machine}"
    if system != "Linux":
        return Finding.warning(
            f"{found}: the sandbox runs on Linux alone",
            why="packages can be locked and built here; `check`, `up` and `serve` of images cannot "
            "run",
            mend="use a Linux machine, or a Linux virtual machine on this one",
        )
    if machine not in seccomp.ARCHITECTURES:
        known = ", ".join(seccomp.ARCHITECTURES)
        return Finding.failed(
            f"{found}: the sandbox knows {known}",
            mend="deploy on a machine with one of these processors",
        )
    version = _version(release)
    if version < _OVERLAY_IN_USER_NAMESPACES:
        return Finding.warning(
            f"{found}: overlay mounts in user namespaces came with Linux 5.11",
            mend="run a newer kernel, unless the check `overlay` is content with this one",
        )
    if version < _PROCESSES_COUNTED_APART:
        return Finding.warning(
            f"{found}: before 5.14 the kernel counts a user's processes in all sandboxes together",
            why="where no control group limits the number of a model's processes, nothing does",
            mend="run a newer kernel, unless the check `cgroups` is content",
        )
    return Finding.ok(found)


def _version(release: str) -> tuple[int, int]:
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
