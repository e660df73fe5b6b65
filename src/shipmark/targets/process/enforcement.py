"""Which limits hold on this host, and by what means."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from shipmark.deploy.limits import Limits
from shipmark.deploy.status import LimitStatus
from shipmark.errors import Unsupported
from shipmark.targets.process import cgroup
from shipmark.targets.process.cgroup import Place

_NOTHING = "no control group can be made here"
OPTIONS = {"cpus": "--cpus", "memory_bytes": "--memory"}
"""How a person gives a limit."""


def expected(places: Sequence[Place]) -> dict[str, str]:
    """What would enforce each limit, if groups were made in `places`."""
    return {
        field: f"cgroup v{place.version}"
        for place in places
        for field, controller in cgroup.CONTROLLERS.items()
        if controller in place.controllers
    }


def statuses(
    limits: Limits, by: Mapping[str, str], *, limit_processes: bool
) -> tuple[LimitStatus, ...]:
    """Whether each limit that is set holds.

    Args:
        limits: What is wanted.
        by: What enforces a field, for those that a control group enforces.
        limit_processes: Whether a resource limit can count the processes instead.
    """
    always = {"open_files": "rlimit", "scratch_bytes": "tmpfs"}
    if limit_processes:
        always["processes"] = "rlimit"
    means = always | dict(by)
    return tuple(
        LimitStatus(name=name, value=value, enforced=name in means, by=means.get(name, _NOTHING))
        for name, value in msgspec.structs.asdict(limits).items()
        if value is not None
    )


def require(found: Iterable[LimitStatus], required: Iterable[str]) -> None:
    """Refuse to go on without a limit that a person asked for.

    Raises:
        Unsupported: It does not hold on this host.
    """
    wanted = set(required)
    for limit in found:
        if limit.name in wanted and not limit.enforced:
            option = OPTIONS.get(limit.name, limit.name)
            raise Unsupported(
                f"{option} cannot be enforced on this host: {limit.by}",
                hint="run as root, or in a session with delegated control groups "
                f"(systemd-run --user --scope -p Delegate=yes ...), or leave {option} out",
            )
