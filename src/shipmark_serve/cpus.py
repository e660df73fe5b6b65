"""How many CPUs this process may use: the cgroup's quota counts, not the host's cores."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available(cgroup: Path = _CGROUP, *, granted: float | None = None) -> int:
    """At least 1; a quota of one and a half counts as 2.

    Args:
        cgroup: Where control groups are mounted.
        granted: The quota, as far as whoever started us told.
    """
    cores = len(os.sched_getaffinity(0))
    quota = _quota(cgroup) if granted is None else granted
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """CPUs granted by cgroup v2 or v1, as seen from inside a container."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    if limit in ("max", "-1"):
        return None
    return int(limit) / int(period)
