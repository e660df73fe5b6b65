"""Which limits of a deployment would be enforced by control groups."""

import secrets

from shipmark.deploy.limits import Limits
from shipmark.doctor.finding import Finding
from shipmark.targets.process import cgroup, enforcement, host

_TRIED = Limits(cpus=0.5, memory_bytes=64 << 20)
_OPTIONS = {"cpus": "--cpus", "memory_bytes": "--memory", "processes": "the number of processes"}
_MEND = (
    "run as root, or in a session with delegated control groups: systemd-run --user --scope "
    "-p Delegate=yes shipmark up ...; in a container, mount /sys/fs/cgroup writable"
)


def check() -> Finding:
    """Make a group as for a deployment, set every limit, and remove it."""
    groups = cgroup.make(cgroup.find(), f"doctor-{secrets.token_hex(4)}", _TRIED)
    cgroup.remove(groups.paths)
    enforced = dict(groups.by)
    if host.counts_processes_apart():
        enforced.setdefault("processes", "rlimit")
    means = ", ".join(f"{field} by {by}" for field, by in sorted(enforced.items()))
    missing = [_OPTIONS[field] for field in cgroup.CONTROLLERS if field not in enforced]
    if not missing:
        return Finding.ok(means)
    return Finding.warning(
        f"not enforced here: {', '.join(missing)}" + (f" ({means})" if means else ""),
        why="a model may use all of what is not limited; `shipmark up` refuses such a limit when "
        f"it is asked for ({enforcement.OPTIONS['memory_bytes']} 1G) and notes that of a package",
        mend=_MEND,
    )
