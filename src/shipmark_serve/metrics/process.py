"""What the kernel says of a process. Source: proc(5)."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_AFTER_NAME = 3
"""Number, in proc(5), of the first field after the name, which may hold spaces itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One process."""

    cpu_s: float
    """In user and system mode, since it started."""
    resident_bytes: int
    start_s: float
    """When it started, in seconds since 1970-01-01 UTC."""


def usage(pid: int, proc: Path = _PROC) -> Usage | None:
    """What a process has used; None where it is gone, or the system has no /proc."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
        booted = _booted_s(proc)
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()

    def field(number: int) -> int:
        return int(fields[number - _AFTER_NAME])

    return Usage(
        cpu_s=(field(14) + field(15)) / _TICKS_PER_S,
        resident_bytes=field(24) * _PAGE_BYTES,
        start_s=booted + field(22) / _TICKS_PER_S,
    )


@cache
def _booted_s(proc: Path) -> int:
    with (proc / "stat").open() as file:
        return next(int(line.split()[1]) for line in file if line.startswith("btime "))
