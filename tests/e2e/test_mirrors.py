"""What mirrors and indexes do wrong ends in the right bytes or in a sentence, soon, and no secret
goes where it does not belong."""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import SHIPMARK, CommandLine
from tests.e2e.harbour import DEAD, Harbour, emptied, harbour
from tests.unit.lock.loopback import Fault, serving

pytestmark = [pytest.mark.network]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, download_cache: Path) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("mirrors"), download_cache) as here:
        yield here


@pytest.fixture(autouse=True)
def everything_is_mended(port: Harbour) -> Iterator[None]:
    yield
    port.mend()


# -- files -------------------------------------------------------------------------------


def test_a_download_that_is_cut_off_twice_is_resumed(port: Harbour) -> None:
    deb = port.deb("media-types")
    port.forget(deb)
    port.server.fail(port.path_of(deb), Fault(cut_at=9_000), Fault(cut_at=7_000))

    built = port.line.json("build", "--locked", port.package)

    assert built["digest"] == port.built["digest"]
    asked = port.server.asked(port.path_of(deb))
    assert [request.headers.get("Range") for request in asked] == [
        None,
        "bytes=9000-",
        "bytes=16000-",
    ]


def test_a_mirror_that_drips_is_given_up_within_its_bound_and_resumed_later(port: Harbour) -> None:
    deb = port.deb("media-types")
    port.forget(deb)
    port.server.fail(port.path_of(deb), *[Fault(drip_bytes_per_s=400)] * 4)
    impatient = CommandLine(port.line.environ | {"UV_HTTP_TIMEOUT": "0.5"})

    started = time.monotonic()
    words = impatient.refused("build", "--locked", port.package)
    took_s = time.monotonic() - started
    port.server.requests.clear()
    built = port.line.json("build", "--locked", port.package)

    assert f"media-types {deb['version']} (sha256:{deb['sha256']}) cannot be had" in words
    assert "in 4 attempts: only" in words
    assert took_s < 20
    assert built["digest"] == port.built["digest"]
    (request,) = port.server.asked(port.path_of(deb))
    assert int(request.headers["Range"].removeprefix("bytes=").removesuffix("-")) > 400


@pytest.mark.parametrize("kind", ["deb", "wheel"])
def test_wrong_bytes_are_refused_with_both_hashes(port: Harbour, kind: str) -> None:
    file = port.deb("netbase") if kind == "deb" else port.wheel("click")
    wrong = os.urandom(file["size"])
    port.forget(file)
    port.server.fail(port.path_of(file), *[Fault(body=wrong)] * 4)

    done = port.line.run("build", "--locked", port.package)

    assert done.returncode == 8, done.stderr
    assert file["sha256"] in done.stderr
    assert hashlib.sha256(wrong).hexdigest() in done.stderr
    assert (file["filename"] if kind == "wheel" else f"netbase {file['version']}") in done.stderr
    assert "Traceback" not in done.stderr
    assert not port.blob(file).exists()


@pytest.mark.parametrize(
    ("status", "says", "hint", "asked"),
    [
        (403, "403 Forbidden", "netrc", 1),
        (404, "is not there any more", "snapshot.debian.org", 1),
        (500, "in 4 attempts", "name another mirror", 4),
    ],
)
def test_a_mirror_that_refuses(
    port: Harbour, status: int, says: str, hint: str, asked: int
) -> None:
    deb = port.deb("netbase")
    port.forget(deb)
    port.server.fail(port.path_of(deb), *[Fault(status=status)] * 9)

    words = port.line.refused("build", "--locked", port.package)

    assert says in words
    assert str(status) in words
    assert hint in words
    assert f"netbase {deb['version']} (sha256:{deb['sha256']})" in words
    assert f"put the file itself at {port.cache}/sha256/{deb['sha256']}" in words
    assert len(port.server.asked(port.path_of(deb))) == asked


def test_a_file_can_be_put_there_by_hand_and_is_checked(port: Harbour) -> None:
    deb = port.deb("netbase")
    body = port.server.files[port.path_of(deb)]
    alone = port.pointed_at(DEAD)
    port.forget(deb)
    by_hand = port.cache / "sha256" / deb["sha256"]
    by_hand.parent.mkdir(parents=True, exist_ok=True)
    by_hand.write_bytes(body[:-1] + b"?")

    wrong = alone.run("build", "--locked", port.package)
    by_hand.write_bytes(body)
    right = alone.json("build", "--locked", port.package)

    assert wrong.returncode == 7
    assert f"put the file itself at {by_hand}" in wrong.stderr
    assert right["digest"] == port.built["digest"]


@pytest.mark.parametrize(
    ("status", "says", "hint"),
    [
        (401, "401 Unauthorized", "netrc"),
        (403, "403 Forbidden", "netrc"),
        (404, "in no index or directory", "add the index"),
        (500, "in 4 attempts", "name another mirror or index"),
    ],
)
def test_an_index_that_refuses(port: Harbour, status: int, says: str, hint: str) -> None:
    wheel = port.wheel("click")
    port.forget(wheel)
    port.server.fail("/simple/click/", *[Fault(status=status)] * 9)

    words = port.line.refused("build", "--locked", port.package)

    assert says in words
    assert hint in words
    assert f"{wheel['filename']} (sha256:{wheel['sha256']})" in words


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, 7, "401 Unauthorized"),
        (403, 7, "403 Forbidden"),
        (404, 5, "uvloop, which the server needs, is in no index"),
        (500, 7, "500 Internal Server Error"),
    ],
)
def test_an_index_that_refuses_while_resolving(
    port: Harbour, status: int, code: int, says: str
) -> None:
    before = port.lock_path.read_bytes()
    emptied(port.cache / "uv")
    port.server.fail("/simple/uvloop/", *[Fault(status=status)] * 20)

    done = port.line.run("lock", port.package, "--upgrade", "uvloop")

    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert port.lock_path.read_bytes() == before


def test_a_dead_mirror_and_a_dead_index_are_told_at_once(port: Harbour) -> None:
    deb, wheel = port.deb("netbase"), port.wheel("click")
    alone = port.pointed_at(DEAD)

    for file in (deb, wheel):
        port.forget(file)
        started = time.monotonic()
        words = alone.refused("build", "--locked", port.package)
        took_s = time.monotonic() - started
        assert "Connection refused" in words
        assert file["sha256"] in words
        assert took_s < 4
        port.mend()


# -- Debian's index ----------------------------------------------------------------------


@pytest.mark.needs("faketime")
def test_an_index_that_has_expired(port: Harbour) -> None:
    later = CommandLine(port.line.environ, prefix=("faketime", "2041-01-01 00:00:00"))

    words = later.refused("lock", "--upgrade", "base", port.package)

    assert "was valid until" in words
    assert "and it is 2041-01-01" in words
    assert "no longer follows Debian, or this host's clock is wrong" in words


def test_an_index_whose_signature_is_wrong(port: Harbour) -> None:
    path = "/debian/dists/bookworm/InRelease"
    signed = port.server.files[path]
    before = port.lock_path.read_bytes()
    emptied(port.cache)
    port.server.files[path] = signed.replace(b"Codename: bookworm", b"Codename: bookwurm", 1)
    try:
        words = port.line.refused("lock", "--upgrade", "base", port.package)
    finally:
        port.server.files[path] = signed

    assert "is not signed by a key of Debian's archive" in words
    assert path in words
    assert port.lock_path.read_bytes() == before


def test_an_index_of_packages_that_is_not_the_signed_one(port: Harbour) -> None:
    (path,) = [
        path
        for path in port.server.files
        if path.startswith("/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/")
    ]
    genuine = port.server.files[path]
    emptied(port.cache)
    port.server.files[path] = b"an older index"
    try:
        done = port.line.run("lock", "--upgrade", "base", port.package)
    finally:
        port.server.files[path] = genuine

    assert done.returncode == 8
    assert path.rpartition("/")[2] in done.stderr
    assert hashlib.sha256(b"an older index").hexdigest() in done.stderr


# -- secrets -----------------------------------------------------------------------------


def test_a_redirect_to_another_host_takes_no_login_along(port: Harbour) -> None:
    wheel = port.wheel("click")
    user = CommandLine(
        port.line.environ
        | {"UV_DEFAULT_INDEX": f"{port.server.url.replace('//', '//ada:s3cr%40t@')}/simple"}
    )
    port.server.logins |= {"/simple/": "ada:s3cr@t", "/files/": "ada:s3cr@t"}
    with serving() as elsewhere:
        far = elsewhere.url.replace("127.0.0.1", "localhost")
        elsewhere.files[f"/{wheel['filename']}"] = port.server.files[port.path_of(wheel)]
        link = f"{far}/{wheel['filename']}#sha256={wheel['sha256']}"
        elsewhere.page("/click/", {wheel["filename"]: link})
        port.forget(wheel)
        to_file = Fault(status=302, headers={"Location": f"{far}/{wheel['filename']}"})
        port.server.fail(port.path_of(wheel), to_file)
        built = user.run("build", "--locked", port.package)
        direct = [each for each in port.server.requests if "click" in each.path]
        seen_by_build = len(elsewhere.requests)

        emptied(port.cache)
        to_page = Fault(status=302, headers={"Location": f"{far}/click/"})
        port.server.fail("/simple/click/", *[to_page] * 9)
        locked = user.run("lock", "--upgrade", "click", port.package)

    assert built.returncode == locked.returncode == 0, built.stderr + locked.stderr
    assert direct
    assert all("Authorization" in request.headers for request in direct)
    assert 0 < seen_by_build < len(elsewhere.requests)
    assert all("Authorization" not in request.headers for request in elsewhere.requests)
    told = built.stdout + built.stderr + locked.stdout + locked.stderr
    assert "s3cr" not in told + port.lock_path.read_text()


# -- Ctrl-C ------------------------------------------------------------------------------


@pytest.mark.parametrize("silent_at", [0, 1_000_000])
def test_ctrl_c_while_a_mirror_is_silent_is_prompt(port: Harbour, silent_at: int) -> None:
    deb = port.deb("libc6")
    port.forget(deb)
    port.server.fail(port.path_of(deb), Fault(stall_at=silent_at))
    with subprocess.Popen(
        [SHIPMARK, "build", "--locked", port.package],
        env=port.line.environ,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as building:
        deadline = time.monotonic() + 30
        while not port.server.asked(port.path_of(deb)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.3)
        os.killpg(building.pid, signal.SIGINT)
        started = time.monotonic()
        _, said = building.communicate(timeout=30)
        took_s = time.monotonic() - started

    assert building.returncode == 130, said
    assert "interrupted; nothing half-made was left" in said
    assert took_s < 3
    assert not list((port.store / "tmp").iterdir())
    left = {path.name for path in (port.cache / "partial").iterdir()}
    assert left <= {deb["sha256"]}
    assert port.line.json("build", "--locked", port.package)["digest"] == port.built["digest"]
    if silent_at:
        assert port.server.asked(port.path_of(deb))[-1].headers["Range"] == f"bytes={silent_at}-"
