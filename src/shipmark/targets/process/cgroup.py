"""Control groups: memory, processor time and the number of processes of one deployment.

Both versions, also mixed on one host. A group is made at the top of what is visible where root
runs, and otherwise in the highest group that was delegated to the user.
"""

import errno
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shipmark.deploy.limits import Limits

_PERIOD_US = 100_000
_REMOVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """A directory in which a group for some controllers can be made."""

    parent: Path
    version: int
    controllers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one deployment: several with version 1, one with version 2."""

    paths: tuple[Path, ...]
    by: Mapping[str, str]
    """Which field of Limits is enforced by what."""

    def join(self) -> None:
        """Move the calling process in; what it starts stays in.

        Raises:
            OSError: The kernel refused.
        """
        for path in self.paths:
            (path / "cgroup.procs").write_text("0", "ascii")

    def reached(self) -> dict[str, int]:
        """How often each limit was reached for good, by field: kills, and forks refused."""
        counts: dict[str, int] = {}
        for path in self.paths:
            for field, file, key in _EVENTS:
                try:
                    text = (path / file).read_text("ascii")
                except OSError:
                    continue
                for line in text.splitlines():
                    name, _, value = line.partition(" ")
                    if name == key:
                        counts[field] = int(value)
        return counts


_EVENTS = (
    ("memory_bytes", "memory.oom_control", "oom_kill"),  # version 1
    ("memory_bytes", "memory.events", "oom_kill"),  # version 2
    ("processes", "pids.events", "max"),
)
"""Where the kernel counts: the field of Limits, the file, and its line."""

CONTROLLERS = {"cpus": "cpu", "memory_bytes": "memory", "processes": "pids"}
"""The controller for each field of Limits."""


def wanted(limits: Limits) -> dict[str, float]:
    """The limits that are for a control group, by field."""
    values = {"cpus": limits.cpus, "memory_bytes": limits.memory_bytes}
    given = {name: float(value) for name, value in values.items() if value is not None}
    return given | {"processes": float(limits.processes)}


def find(process: Path = Path("/proc/self")) -> list[Place]:
    """Where groups can be made on this host, by this user; empty where nowhere."""
    mounts = _mounts((process / "mountinfo").read_text("utf-8"))
    own = _own_groups((process / "cgroup").read_text("utf-8"))
    needed = tuple(sorted(CONTROLLERS.values()))
    places: list[Place] = []
    for mount_point, version, controllers in mounts:
        here = tuple(name for name in needed if name in controllers)
        if version == 1 and here:
            place = _first_writable(mount_point, own.get(here[0], "/"), 1, here)
        elif version == 2:
            place = _first_writable(mount_point, own.get("", "/"), 2, needed)
        else:
            continue
        if place is not None:
            places.append(place)
    return places


def paths(places: Sequence[Place], identity: str) -> tuple[Path, ...]:
    """Where the groups of `identity` are, or would be."""
    return tuple(place.parent / f"shipmark-{identity}" for place in places)


def make(places: Sequence[Place], identity: str, limits: Limits) -> Groups:
    """Make the groups and set the limits; whatever cannot be set is missing from `by`."""
    values = wanted(limits)
    made: list[Path] = []
    enforced: dict[str, str] = {}
    for place, path in zip(places, paths(places, identity), strict=True):
        try:
            path.mkdir(exist_ok=True)
        except OSError:
            continue
        made.append(path)
        for field, controller in CONTROLLERS.items():
            if field in values and controller in place.controllers:
                try:
                    _set(path, place.version, field, values[field])
                except OSError:
                    continue
                enforced[field] = f"cgroup v{place.version}"
    return Groups(tuple(made), enforced)


def remove(group_paths: Sequence[Path]) -> list[Path]:
    """Remove groups, waiting a moment for their last processes; gives those that stayed."""
    deadline = time.monotonic() + _REMOVAL_S
    left = list(group_paths)
    while True:
        left = [path for path in left if not _removed(path)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def _removed(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        return error.errno not in {errno.EBUSY, errno.ENOTEMPTY}
    return True


def _set(path: Path, version: int, field: str, value: float) -> None:
    if field == "cpus":
        quota = max(1000, round(value * _PERIOD_US))
        if version == 2:
            (path / "cpu.max").write_text(f"{quota} {_PERIOD_US}", "ascii")
        else:
            (path / "cpu.cfs_period_us").write_text(str(_PERIOD_US), "ascii")
            (path / "cpu.cfs_quota_us").write_text(str(quota), "ascii")
    elif field == "processes":
        (path / "pids.max").write_text(str(int(value)), "ascii")
    elif version == 2:
        (path / "memory.max").write_text(str(int(value)), "ascii")
        _set_if_there(path / "memory.swap.max", "0")
    else:
        (path / "memory.limit_in_bytes").write_text(str(int(value)), "ascii")
        _set_if_there(path / "memory.memsw.limit_in_bytes", str(int(value)))
        # Version 1 counts what lies in sockets apart.
        _set_if_there(path / "memory.kmem.tcp.limit_in_bytes", str(int(value)))


def _set_if_there(path: Path, text: str) -> None:
    if path.exists():
        path.write_text(text, "ascii")


def _mounts(mountinfo: str) -> list[tuple[Path, int, frozenset[str]]]:
    """Mount point, version and (version 1) controllers of each hierarchy."""
    found: list[tuple[Path, int, frozenset[str]]] = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        mount_point = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        if kind == "cgroup":
            found.append((mount_point, 1, frozenset(options.split(","))))
        elif kind == "cgroup2":
            found.append((mount_point, 2, frozenset()))
    return found


def _own_groups(table: str) -> dict[str, str]:
    """This process's group by controller; "" is version 2."""
    groups: dict[str, str] = {}
    for line in table.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _first_writable(
    mount_point: Path, own: str, version: int, controllers: tuple[str, ...]
) -> Place | None:
    """The highest group, from the top down to our own, in which we may make another."""
    path = [mount_point, *(mount_point.joinpath(*parts) for parts in _beginnings(own))]
    for candidate in path:
        if not (os.access(candidate, os.W_OK) and os.access(candidate / "cgroup.procs", os.W_OK)):
            continue
        offered = controllers
        if version == 2:
            offered = _handed_on(candidate, controllers, is_own=candidate == path[-1])
        if offered:
            return Place(candidate, version, offered)
    return None


def _beginnings(group: str) -> list[tuple[str, ...]]:
    parts = Path(group).parts[1:]
    return [parts[: count + 1] for count in range(len(parts))]


def _handed_on(group: Path, controllers: tuple[str, ...], *, is_own: bool) -> tuple[str, ...]:
    """Which controllers a child of this version 2 group has, after asking for them."""
    control = group / "cgroup.subtree_control"
    try:
        there = set((group / "cgroup.controllers").read_text("ascii").split())
        missing = there.intersection(controllers) - set(control.read_text("ascii").split())
        try:
            _hand_on(control, missing)
        except OSError as error:
            if error.errno != errno.EBUSY or not is_own:
                raise
            _move_down(group)
            _hand_on(control, missing)
    except OSError:
        pass  # use what is there
    try:
        return tuple(name for name in controllers if name in control.read_text("ascii").split())
    except OSError:
        return ()


def _hand_on(control: Path, controllers: set[str]) -> None:
    for name in sorted(controllers):
        control.write_text(f"+{name}", "ascii")


def _move_down(group: Path) -> None:
    """Make room in a group that was delegated to us: one with processes hands nothing on.

    So it is in a scope of systemd and in a container: this command and its shell are in it.
    Source: Linux, cgroup-v2.rst, "No Internal Process Constraint".
    """
    below = group / "shipmark-callers"
    below.mkdir(exist_ok=True)
    for pid in (group / "cgroup.procs").read_text("ascii").split():
        with suppress(ProcessLookupError):
            (below / "cgroup.procs").write_text(pid, "ascii")
