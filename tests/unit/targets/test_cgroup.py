"""Which control groups a host offers, told from what its kernel shows.

The trees are made of plain files: they show what is read and decided. That kernels of both
versions then do it, the integration tests show, on the version that the host has.
"""

import errno
from pathlib import Path

import pytest

from shipmark.deploy.limits import Limits
from shipmark.targets.process import cgroup
from shipmark.targets.process.cgroup import Place


class Tree:
    """A host's view of its groups: a /proc/self and what is mounted."""

    def __init__(self, root: Path) -> None:
        self.process = root / "self"
        self.process.mkdir()
        self._mounts = ["22 1 0:20 / /proc rw,nosuid shared:5 - proc proc rw"]
        self._own: list[str] = []

    def version_1(self, mount_point: Path, controllers: str, own: str = "/") -> None:
        self._mount(mount_point, "cgroup", f"rw,{controllers}")
        self._own.append(f"{len(self._own) + 1}:{controllers}:{own}")
        for group in _path(mount_point, own):
            group.mkdir(parents=True, exist_ok=True)
            (group / "cgroup.procs").touch()

    def version_2(self, mount_point: Path, controllers: str, own: str, writable_from: str) -> None:
        self._mount(mount_point, "cgroup2", "rw,nsdelegate")
        self._own.append(f"0::{own}")
        for group in _path(mount_point, own):
            group.mkdir(parents=True, exist_ok=True)
            (group / "cgroup.controllers").write_text(f"{controllers}\n")
            (group / "cgroup.subtree_control").write_text("")
            if f"/{group.relative_to(mount_point)}".startswith(writable_from):
                (group / "cgroup.procs").write_text("17\n18\n")

    def find(self) -> list[Place]:
        (self.process / "mountinfo").write_text("\n".join(self._mounts) + "\n")
        (self.process / "cgroup").write_text("".join(f"{line}\n" for line in self._own))
        return cgroup.find(self.process)

    def _mount(self, mount_point: Path, kind: str, options: str) -> None:
        shown = str(mount_point).replace(" ", "\\040")
        self._mounts.append(f"32 31 0:29 / {shown} rw,relatime shared:9 - {kind} none {options}")


def _path(mount_point: Path, own: str) -> list[Path]:
    return [mount_point, *(mount_point / part for part in reversed(Path(own[1:]).parents)),
            mount_point / own[1:]]  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def _hands_on(monkeypatch: pytest.MonkeyPatch, *, busy: str | None = None) -> None:
    """Have `cgroup.subtree_control` add up what is written, as the kernel does.

    A group named `busy` refuses while it has processes, and one that takes a process takes it
    away from there.
    """
    write_text = Path.write_text

    def kernels(path: Path, text: str, encoding: str | None = None) -> int:
        if path.name == "cgroup.subtree_control" and text.startswith("+"):
            processes = path.with_name("cgroup.procs")
            if path.parent.name == busy and processes.read_text():
                raise OSError(errno.EBUSY, "Device or resource busy")
            text = f"{path.read_text()} {text[1:]}".strip()
        elif path.name == "cgroup.procs" and path.parent.name == "shipmark-callers":
            above = path.parents[1] / "cgroup.procs"
            write_text(above, above.read_text().replace(f"{text}\n", ""))
        return write_text(path, text, encoding)

    monkeypatch.setattr(Path, "write_text", kernels)


def test_a_host_without_any(tree: Tree) -> None:
    assert tree.find() == []


def test_version_1_at_the_top_and_only_what_is_needed(tree: Tree, tmp_path: Path) -> None:
    tree.version_1(tmp_path / "cpu,cpuacct", "cpu,cpuacct")
    tree.version_1(tmp_path / "memory", "memory", own="/user/me")
    tree.version_1(tmp_path / "freezer", "freezer")
    assert tree.find() == [
        Place(tmp_path / "cpu,cpuacct", 1, ("cpu",)),
        Place(tmp_path / "memory", 1, ("memory",)),
    ]


def test_version_2_in_the_highest_group_that_was_delegated(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hands_on(monkeypatch)
    own = "/user.slice/user-1000.slice/user@1000.service/app.slice/run.scope"
    service = "/user.slice/user-1000.slice/user@1000.service"
    top = tmp_path / "c group"
    tree.version_2(top, "cpu memory pids", own, writable_from=service)
    assert tree.find() == [Place(top / service[1:], 2, ("cpu", "memory", "pids"))]
    assert (top / service[1:] / "cgroup.subtree_control").read_text() == "cpu memory pids"


def test_version_2_gives_only_what_was_handed_down(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hands_on(monkeypatch)
    tree.version_2(tmp_path / "c", "memory pids hugetlb", "/", writable_from="/")
    assert tree.find() == [Place(tmp_path / "c", 2, ("memory", "pids"))]


def test_our_own_group_is_emptied_where_its_processes_are_in_the_way(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a scope of systemd, and at the top of a container."""
    _hands_on(monkeypatch, busy="run.scope")
    tree.version_2(tmp_path / "c", "cpu memory", "/a/run.scope", writable_from="/a/run.scope")
    scope = tmp_path / "c/a/run.scope"
    assert tree.find() == [Place(scope, 2, ("cpu", "memory"))]
    assert (scope / "cgroup.procs").read_text() == ""
    assert (scope / "shipmark-callers" / "cgroup.procs").read_text() == "18"


def test_the_processes_of_others_are_left_where_they_are(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hands_on(monkeypatch, busy="a")
    tree.version_2(tmp_path / "c", "cpu memory", "/a/b", writable_from="/a")
    assert tree.find() == [Place(tmp_path / "c/a/b", 2, ("cpu", "memory"))]
    assert (tmp_path / "c/a/cgroup.procs").read_text() == "17\n18\n"


def test_version_2_beside_version_1(tree: Tree, tmp_path: Path) -> None:
    tree.version_1(tmp_path / "pids", "pids")
    tree.version_2(tmp_path / "unified", "hugetlb", "/", writable_from="/")
    assert tree.find() == [Place(tmp_path / "pids", 1, ("pids",))]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            1,
            {
                "cpu.cfs_period_us": "100000",
                "cpu.cfs_quota_us": "150000",
                "memory.limit_in_bytes": "67108864",
                "pids.max": "64",
            },
        ),
        (2, {"cpu.max": "150000 100000", "memory.max": "67108864", "pids.max": "64"}),
    ],
)
def test_limits_are_written_as_each_version_wants_them(
    tmp_path: Path, version: int, expected: dict[str, str]
) -> None:
    place = Place(tmp_path, version, ("cpu", "memory", "pids"))
    groups = cgroup.make([place], "x", Limits(cpus=1.5, memory_bytes=64 << 20, processes=64))
    [group] = groups.paths
    assert {path.name: path.read_text() for path in group.iterdir()} == expected
    assert groups.by == dict.fromkeys(cgroup.CONTROLLERS, f"cgroup v{version}")


def test_swap_and_sockets_are_counted_where_the_kernel_can(tmp_path: Path) -> None:
    place = Place(tmp_path, 1, ("memory",))
    apart = ("memory.memsw.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes")
    [path] = cgroup.paths([place], "x")
    path.mkdir()
    for name in apart:
        (path / name).touch()
    cgroup.make([place], "x", Limits(memory_bytes=64 << 20))
    assert [(path / name).read_text() for name in apart] == ["67108864"] * 2


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        (
            {
                "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
                "pids.events": "max 17\n",
            },
            {"memory_bytes": 3, "processes": 17},
        ),
        (
            {
                "memory.events": "low 0\nhigh 0\nmax 40\noom 2\noom_kill 2\noom_group_kill 0\n",
                "pids.events": "max 0\n",
            },
            {"memory_bytes": 2, "processes": 0},
        ),
    ],
)
def test_what_was_reached_is_read_from_either_version(
    tmp_path: Path, files: dict[str, str], expected: dict[str, int]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cgroup.Groups((tmp_path,), {}).reached() == expected
