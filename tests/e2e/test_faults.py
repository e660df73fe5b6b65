"""Killed at any moment, `lock` and `build` leave nothing half-made and go through the next time;
and many at once on one store do not get in each other's way.

kill -9 goes to the whole process group, uv and the bytecode compiler included, at steps spread over
the time that the command takes here.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shipmark.lock import text
from tests.e2e.conftest import SHIPMARK, CommandLine
from tests.e2e.harbour import Harbour, harbour

pytestmark = [pytest.mark.network]

HEX = re.compile(r"[0-9a-f]{64}")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, download_cache: Path) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("faults"), download_cache) as here:
        yield here


def _user(port: Harbour, home: Path, *, with_lock: bool) -> tuple[CommandLine, Path]:
    """Somebody with nothing but the package's files: the command line and the package."""
    package = home / "echo"
    package.mkdir(parents=True)
    for name in ("model.py", "shipmark.lock") if with_lock else ("model.py",):
        shutil.copy(port.package / name, package)
    return CommandLine(port.line.environ | {"SHIPMARK_HOME": str(home / "home")}), package


def _started(user: CommandLine, *args: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [SHIPMARK, *args],
        env=user.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _killed_after(seconds: float, user: CommandLine, *args: str | Path) -> bool:
    """Start the command and kill its group; whether it was still running."""
    running = _started(user, *args)
    try:
        running.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        return True
    return False


def _assert_nothing_half_made(home: Path, package: Path) -> None:
    store, cache = home / "home/data/store", home / "home/cache"
    assert {path.name for path in package.iterdir()} <= {
        "model.py",
        "shipmark.lock",
        ".shipmark.lock.new",  # no part of the package; the next lock is written over it
    }
    if (package / "shipmark.lock").exists():
        text.read(package / "shipmark.lock")
    for folder in (store / "blobs/sha256", cache / "sha256"):
        for blob in folder.glob("*"):
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    for record in [*store.glob("images/*.json"), *store.glob("cache/**/*.json")]:
        msgspec.json.decode(record.read_bytes())
    for note in cache.glob("debian/answer-*.json"):
        msgspec.json.decode(note.read_bytes())
    for folder in (cache / "partial", cache / "places"):
        assert all(HEX.fullmatch(path.name) for path in folder.glob("*"))
    assert {path.name for path in store.glob("*")} <= {
        *("blobs", "images", "cache", "tools", "unpacked", "tmp", "locks"),
    }


@pytest.mark.timeout(280)
@pytest.mark.parametrize(("verb", "steps"), [("lock", 10), ("build", 10)])
def test_killed_at_any_moment(port: Harbour, tmp_path: Path, verb: str, steps: int) -> None:
    with_lock = verb == "build"
    user, package = _user(port, tmp_path / "whole", with_lock=with_lock)
    started = time.monotonic()
    whole = user.json(verb, package)
    duration_s = time.monotonic() - started

    killed = 0
    for step in range(steps):
        home = tmp_path / f"step{step}"
        user, package = _user(port, home, with_lock=with_lock)
        killed += _killed_after(duration_s * (step + 0.5) / steps, user, verb, package)
        _assert_nothing_half_made(home, package)

        again = user.json(verb, package)

        assert again["digest"] == whole["digest"]
        _assert_nothing_half_made(home, package)
        assert not list((home / "home/data/store/tmp").iterdir()), "swept by the next"
        shutil.rmtree(home)
    assert killed >= 3, "else nothing was shown"


@pytest.mark.timeout(200)
def test_killed_again_and_again(port: Harbour, tmp_path: Path) -> None:
    """One store that is killed into at ever later moments, until the command gets through."""
    user, package = _user(port, tmp_path, with_lock=False)

    for step in range(1, 100):
        if not _killed_after(0.4 * step, user, "build", package):
            break
        _assert_nothing_half_made(tmp_path, package)

    built = user.json("build", package)
    assert built["digest"] == port.built["digest"]
    assert all(layer["cached"] for layer in built["layers"])


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("count", "begun"), [(2, False), (10, True)])
def test_many_builds_at_once(port: Harbour, tmp_path: Path, count: int, begun: bool) -> None:
    """Two from nothing; ten, for it would take long, where the base is there and no more."""
    user, package = _user(port, tmp_path, with_lock=True)
    if begun:
        layers = user.json("build", package)["layers"]
        base = next(layer["digest"] for layer in layers if layer["title"] == "base")
        store = tmp_path / "home/data/store"
        for note in store.glob("cache/*/*.json"):
            if base not in note.read_text():
                note.unlink()
        for blob in (store / "blobs/sha256").iterdir():
            if f"sha256:{blob.name}" != base:
                blob.unlink()
    running = [
        subprocess.Popen(
            [SHIPMARK, "build", package, "--json"],
            env=user.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(count)
    ]

    outcomes = [build.communicate(timeout=180) for build in running]

    assert [build.returncode for build in running] == [0] * count, outcomes
    assert {json.loads(out)["digest"] for out, _ in outcomes} == {port.built["digest"]}
    _assert_nothing_half_made(tmp_path, package)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seconds", [0.6, 1.2, 2.0])
def test_ctrl_c_while_building_is_prompt(port: Harbour, tmp_path: Path, seconds: float) -> None:
    user, package = _user(port, tmp_path, with_lock=True)
    building = subprocess.Popen(
        [SHIPMARK, "build", package],
        env=user.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(building.pid, signal.SIGINT)
    started = time.monotonic()
    _, said = building.communicate(timeout=60)

    assert building.returncode in {130, 0}, said
    assert time.monotonic() - started < 5
    if building.returncode == 130:
        assert said.endswith("interrupted; nothing half-made was left\n")
        assert "Traceback" not in said
        assert not list((tmp_path / "home/data/store").glob("tmp/*"))
    _assert_nothing_half_made(tmp_path, package)
    assert user.json("build", package)["digest"] == port.built["digest"]
