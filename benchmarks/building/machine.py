"""This machine, in words."""

import os
import platform
from pathlib import Path

from benchmarks.building.report import Machine


def this_machine(folder: Path) -> Machine:
    """The machine, and the file system that `folder` lies on."""
    return Machine(
        processor=processor(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        load=os.getloadavg()[0],
        file_system=file_system(Path("/proc/self/mounts").read_text(encoding="utf-8"), folder),
    )


def processor(cpuinfo: str) -> str:
    """The processor's name in the text of /proc/cpuinfo; arm64 has none there."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def file_system(mounts: str, folder: Path) -> str:
    """The type of the mount that holds `folder`, by the text of /proc/self/mounts."""
    best, kind = -1, "unknown"
    for line in mounts.splitlines():
        _, point, this_kind, *_ = line.split(" ")
        depth = len(Path(point).parts)
        if depth >= best and folder.is_relative_to(point):
            best, kind = depth, this_kind
    return kind
