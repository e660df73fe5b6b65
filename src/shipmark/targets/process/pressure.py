"""Which of its limits a running model has come up against, as far as the kernel tells.

A limit refuses in silence: a fork fails, a process is gone, a write finds no room. The model's
own log may not say why, so the supervisor looks at the counters and says it by the limit's name.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from shipmark.deploy.limits import Limits, size_text
from shipmark.targets.process.cgroup import Groups

_SCRATCH = ("tmp", "dev/shm")
_NEARLY_BYTES = 64 << 10
_WALKED = 256


class Pressure:
    """The limits of one run.

    Args:
        limits: What holds.
        groups: Its control groups, whose counters go on from run to run.
        pid: Its first process, as the host numbers it.
    """

    def __init__(self, limits: Limits, groups: Groups, pid: int) -> None:
        self._limits = limits
        self._groups = groups
        self._pid = pid
        self._known: Mapping[str, int] = groups.reached()

    def reached(self) -> list[str]:
        """Every limit that was reached since the last call, in words that begin with its name."""
        counted = self._groups.reached()
        fresh = {field for field, count in counted.items() if count > self._known.get(field, 0)}
        self._known = counted
        found: list[str] = []
        if "memory_bytes" in fresh and self._limits.memory_bytes is not None:
            size = size_text(self._limits.memory_bytes)
            found.append(f"memory limit of {size} reached: a process was killed")
        if "processes" in fresh:
            count = self._limits.processes
            found.append(f"process limit of {count} reached: no more were made")
        return [*found, *self._full_scratch(), *self._full_tables()]

    def _full_scratch(self) -> Iterator[str]:
        size_bytes = self._limits.scratch_bytes
        for place in _SCRATCH:
            with suppress(OSError):
                disk = os.statvfs(f"/proc/{self._pid}/root/{place}")
                # Before the sandbox is complete, these are the host's.
                is_its_own = abs(disk.f_blocks * disk.f_frsize - size_bytes) < disk.f_frsize
                if is_its_own and disk.f_bfree * disk.f_frsize < _NEARLY_BYTES:
                    yield f"scratch limit of {size_text(size_bytes)} reached: /{place} is full"

    def _full_tables(self) -> Iterator[str]:
        limit = self._limits.open_files
        for pid in self._processes():
            with suppress(OSError):
                if _open_files(pid) >= limit:
                    yield f"open file limit of {limit} reached: a process can open no more"
                    return

    def _processes(self) -> Iterator[int]:
        """The model's processes, the oldest first; not all where they are very many."""
        found = [self._pid]
        for pid in found:
            yield pid
            with suppress(OSError, ValueError):
                for thread in Path(f"/proc/{pid}/task").iterdir():
                    if len(found) < _WALKED:
                        found += map(int, (thread / "children").read_text("ascii").split())


def _open_files(pid: int) -> int:
    folder = f"/proc/{pid}/fd"
    # The size tells since Linux 6.2.
    return os.stat(folder).st_size or len(os.listdir(folder))  # noqa: PTH116, PTH208 - the quick way
