"""Each check of the host, on a host that was broken for it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shipmark.targets.process import host
from tests.integration.doctor.host import doctor

pytestmark = pytest.mark.sandbox


# -- the sandbox -------------------------------------------------------------------------


def test_user_namespaces_are_forbidden(tmp_path: Path) -> None:
    report = doctor(
        tmp_path,
        *("namespaces", "bubblewrap", "overlay", "sandbox"),
        broken="echo 0 > /proc/sys/user/max_user_namespaces",
    )

    assert report.code == 1
    assert "user.max_user_namespaces is 0" in report.found("namespaces")
    assert "No space left on device" in report.found("namespaces"), "it was tried, too"
    assert report.findings["namespaces"]["mend"] == "sysctl user.max_user_namespaces=15000"
    for name in ("bubblewrap", "overlay", "sandbox"):
        assert report.status(name) == "failed"
        assert "`namespaces`" in report.findings[name]["mend"] or name == "overlay"


def test_mounts_are_forbidden(tmp_path: Path) -> None:
    report = doctor(
        tmp_path, "namespaces", "overlay", broken="echo 0 > /proc/sys/user/max_mnt_namespaces"
    )

    assert report.code == 1
    assert "user namespaces are refused: clone into new namespaces" in report.found("namespaces")
    assert "refused: clone into new namespaces" in report.found("overlay")


def test_a_file_system_that_no_overlay_goes_on(tmp_path: Path) -> None:
    """The kernel stacks two overlays and no third, as inside a container in a container."""
    stack = "".join(
        f"mkdir $0/upper{level} $0/work{level} $0/all{level}\n"
        f"mount -t overlay -o userxattr,lowerdir=$0/all{level - 1},upperdir=$0/upper{level},"
        f"workdir=$0/work{level} none $0/all{level}\n"
        for level in (1, 2)
    )
    report = doctor(
        tmp_path,
        *("overlay", "sandbox", "disk"),
        broken=f"mkdir $0/all0 $0/data\n{stack}mount --bind $0/all2 $0/data",
    )

    assert report.code == 1
    assert "overlay mounts on overlay are refused: mount overlay" in report.found("overlay")
    assert "ext4, xfs or btrfs" in report.findings["overlay"]["mend"]
    assert "mounting the image: " in report.found("sandbox")
    assert report.status("disk") != "failed"


def test_bubblewrap_is_not_installed(tmp_path: Path) -> None:
    report = doctor(tmp_path, "bubblewrap", "sandbox", env={"PATH": str(tmp_path)})

    assert report.code == 1
    assert "no bwrap on the PATH" in report.found("bubblewrap")
    assert "apt install bubblewrap" in report.findings["bubblewrap"]["mend"]
    assert "no bwrap on the PATH" in report.found("sandbox")


def test_bubblewrap_is_too_old(tmp_path: Path) -> None:
    # Not in tmp_path: user 65532 has to reach it.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        old = Path(folder, "bwrap")
        old.write_text(
            '#!/bin/sh\n[ "$1" = --version ] && { echo bubblewrap 0.3.1; exit; }\n'
            "echo 'bwrap: Unknown option --clearenv' >&2\nexit 1\n"
        )
        old.chmod(0o755)
        report = doctor(tmp_path, "bubblewrap", env={"PATH": f"{folder}:{os.environ['PATH']}"})

    assert report.code == 1
    said = "bubblewrap 0.3.1 does not start: bwrap: Unknown option --clearenv"
    assert report.found("bubblewrap") == said
    assert "install a newer one" in report.findings["bubblewrap"]["mend"]


def test_a_filter_that_lets_connections_through() -> None:
    allow = "struct.pack('<HBBI', 0x06, 0, 0, 0x7FFF0000)"
    code = (
        "import runpy, struct\n"
        "from shipmark.targets.process import seccomp\n"
        f"seccomp.program = lambda *_, **__: {allow}\n"
        "runpy.run_module('shipmark.doctor.seccomp', run_name='__main__')\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "connect was not refused" in done.stderr


def test_no_control_groups(tmp_path: Path) -> None:
    report = doctor(
        tmp_path,
        "cgroups",
        "sandbox",
        broken="mount -t tmpfs none /sys/fs/cgroup",
    )

    assert report.code == 0, "a warning is no failure"
    assert report.status("cgroups") == "warning"
    assert report.found("cgroups").startswith("not enforced here: --cpus, --memory")
    assert ("processes by rlimit" in report.found("cgroups")) == host.counts_processes_apart()
    assert "Delegate=yes" in report.findings["cgroups"]["mend"]
    assert report.status("sandbox") == "ok"


# -- the disk ----------------------------------------------------------------------------


def test_a_full_disk(tmp_path: Path) -> None:
    report = doctor(
        tmp_path,
        "disk",
        "overlay",
        broken="mkdir $0/data\nmount -t tmpfs -o size=1m none $0/data\n"
        "dd if=/dev/zero of=$0/data/all bs=64k 2>/dev/null || true",
    )

    assert report.code == 1
    assert f"the disk is full: tried to write {tmp_path / 'data' / 'store'}" in report.found("disk")
    assert "SHIPMARK_HOME" in report.findings["disk"]["mend"]
    assert "nothing can be locked" in report.findings["disk"]["why"]


def test_a_small_disk_and_one_that_will_soon_be_full(tmp_path: Path) -> None:
    report = doctor(
        tmp_path,
        "disk",
        broken="mkdir $0/data $0/cache\nmount -t tmpfs -o size=64m none $0/data\n"
        "mount -t tmpfs -o size=1g none $0/cache",
    )

    assert report.code == 1
    assert f"0.1 GB free for the store {tmp_path}/data/store" in report.found("disk")
    assert f"1.1 GB free for the cache {tmp_path}/cache" in report.found("disk")
    assert "two file systems" not in report.found("disk"), "that is no fault"


def test_a_read_only_disk(tmp_path: Path) -> None:
    report = doctor(
        tmp_path,
        *("disk", "overlay", "sandbox", "store"),
        broken="mkdir $0/data\nmount -t tmpfs -o ro none $0/data",
    )

    assert report.code == 1
    assert f"tried to write {tmp_path}/data/store: read-only file system" in report.found("disk")
    assert report.status("overlay") == "warning"
    assert "not tried" in report.found("sandbox")
    assert report.status("store") == "ok"


def test_a_disk_from_which_nothing_is_executed(tmp_path: Path) -> None:
    report = doctor(
        tmp_path, "disk", broken="mkdir $0/data\nmount -t tmpfs -o size=3g,noexec none $0/data"
    )

    assert report.code == 1
    assert "mounted noexec" in report.found("disk")
    assert "bytecode" in report.findings["disk"]["why"]
