"""The whole command: content with a host that is well, and with one exit code for what is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import shipmark
from shipmark.doctor.checks import WHY
from tests.integration.doctor.host import COMMAND, doctor
from tests.unit.lock.loopback import serving

USER = 65534


@pytest.mark.sandbox
@pytest.mark.network
def test_a_host_that_is_well(tmp_path: Path) -> None:
    home = tmp_path / "home"

    report = doctor(home)

    assert list(report.findings) == list(WHY)
    assert [name for name in WHY if report.status(name) == "failed"] == [], report.said
    assert report.code == 0
    assert not home.exists(), "it leaves nothing behind"
    assert list(tmp_path.iterdir()) == []
    assert list(Path("/sys/fs/cgroup").glob("*/shipmark-doctor-*")) == []


@pytest.mark.sandbox
def test_an_ordinary_user(tmp_path: Path) -> None:
    """In a process that gave up root for good."""
    own = ("namespaces", "bubblewrap", "overlay", "seccomp", "sandbox", "cgroups", "disk", "store")
    if os.geteuid() != 0:
        assert doctor(tmp_path, *own).code == 0
        return
    # The interpreter may lie where that user cannot go: it is bound elsewhere, in a mount
    # namespace that ends with the process.
    here = Path("/tmp") / f"shipmark-doctor-test-{os.getpid()}"
    binds = {
        "python": Path(sys.base_prefix),
        "site": Path(pytest.__file__).parent.parent,
        "src": Path(shipmark.__file__).parent.parent,
    }
    mounts = "".join(
        f'mkdir "$0/{name}" && mount --bind "{path}" "$0/{name}" && '
        for name, path in binds.items()
    )
    script = (
        f"mount -t tmpfs -o mode=755,size=4g none $0 && {mounts}"
        f'mkdir "$0/own" && chown {USER} "$0/own" && cd "$0/own" && '
        f"exec setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs "
        '"$0/python/bin/python3" -B "$@"'
    )
    here.mkdir()
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, str(here), *COMMAND[1:], *own],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(here / "own"),
                "LD_LIBRARY_PATH": str(here / "python" / "lib"),
                "PYTHONHOME": str(here / "python"),
                "PYTHONPATH": f"{here}/src:{here}/site",
            },
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        here.rmdir()
    marks = dict(
        line.split(maxsplit=2)[1::-1] for line in done.stdout.splitlines() if line[0] > " "
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(marks) == set(own)
    assert {marks[name] for name in own if name != "cgroups"} == {"ok"}, done.stdout


def test_only_what_is_asked_for_and_in_the_order_of_the_table(tmp_path: Path) -> None:
    assert list(doctor(tmp_path, "images", "platform").findings) == ["platform", "images"]


def test_a_check_that_there_is_not(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "disks"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "'disks' is not one of" in done.stderr
    assert "'disk'" in done.stderr


def test_a_person_is_told_why_and_how_to_mend_it(tmp_path: Path) -> None:
    images = tmp_path / "data" / "store" / "images"
    images.mkdir(parents=True)
    (images / "digits.json").write_text("{")

    done = subprocess.run(
        [*COMMAND, "images", "platform"],
        env={**os.environ, "SHIPMARK_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == ""
    first, second, why, mend = done.stdout.splitlines()
    assert first.split()[1] == "platform"
    assert second.startswith("FAIL  images ")
    assert why.strip() == "why: the image cannot be started or exported"
    assert mend.strip() == "mend: forget it with `shipmark rmi digits`, and build the image again"


def test_a_password_in_the_settings_is_nowhere_in_the_output(tmp_path: Path) -> None:
    with serving() as server:
        server.logins["/"] = "me:another"
        url = server.url.replace("://", "://me:hunter2@")
        settings = {
            "UV_INDEX_URL": f"{url}/simple",
            "UV_DEFAULT_INDEX": f"{url}/simple",
            "UV_EXTRA_INDEX_URL": f"{url}/own https://me:hunter2@127.0.0.1:9/x",
            "SHIPMARK_DEBIAN_MIRROR": f"{url}/debian",
            "SHIPMARK_DEBIAN_SECURITY_MIRROR": f"{url}/debian-security",
            "UV_FIND_LINKS": "",
            "PIP_CONFIG_FILE": os.devnull,
        }
        asked = ("settings", "index", "debian", "certificates", "clock")
        report = doctor(tmp_path, *asked, env=settings)

    assert report.code == 1
    assert "answered 401" in report.found("index")
    assert "answered 401" in report.found("debian")
    assert report.status("clock") == "ok", "a refusal tells the time too"
    assert "hunter2" not in report.said


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("index-url = https://me:hunter2@host/\n")

    report = doctor(tmp_path, "settings", "index", env={"PIP_CONFIG_FILE": str(config)})

    assert report.code == 1
    assert f"{config}:1 cannot be read" in report.found("settings")
    assert report.status("index") == "warning"
    assert "hunter2" not in report.said


def test_a_host_without_any_certificates(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    unset = dict.fromkeys(("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), "")

    report = doctor(
        tmp_path,
        "certificates",
        env={**unset, "PIP_CONFIG_FILE": os.devnull, "SSL_CERT_DIR": str(empty)},
    )

    assert report.code == 1
    assert "this Python finds no certificates" in report.found("certificates")
    assert "apt install ca-certificates" in report.findings["certificates"]["mend"]
