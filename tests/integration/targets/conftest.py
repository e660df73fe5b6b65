"""A store with a real image, and a target whose deployments are gone after each test."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shipmark.deploy.deployment import Deployment
from shipmark.deploy.limits import Limits
from shipmark.deploy.status import Status
from shipmark.store import Store
from shipmark.targets.process import cgroup
from shipmark.targets.process.state import StateDirectory
from shipmark.targets.process.target import ProcessTarget
from tests.integration.targets import images
from tests.integration.targets.images import Image


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def base() -> bytes:
    return images.python_layer()


@pytest.fixture(scope="session")
def image(store: Store, base: bytes) -> Image:
    return images.put_image(store, [base, images.tar({"app/server.py": images.SERVER.encode()})])


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`shipmark` in a home of its own."""

    home: Path
    prefix: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    def begin(self, *args: str | Path) -> subprocess.Popen[str]:
        """Start it, as the first of a process group of its own."""
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-P", "-m", "shipmark.cli", *map(str, args)],
            env={**os.environ, "SHIPMARK_HOME": str(self.home), **self.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever its exit code."""
        with self.begin(*args) as process:
            output, errors = process.communicate(timeout=240)
        return subprocess.CompletedProcess(args, process.returncode, output, errors)

    def ok(self, *args: str | Path) -> str:
        """Run it, expect success, and give standard output."""
        done = self.run(*args)
        assert done.returncode == 0, f"{args}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *args: str | Path) -> Any:
        """Run it with `--json` and parse what came."""
        return json.loads(self.ok(*args, "--json"))

    def refused(self, *args: str | Path) -> str:
        """Run it, expect a refusal without a traceback, and give its words."""
        done = self.run(*args)
        assert done.returncode not in {0, 70}, f"{args}\n{done.stdout}\n{done.stderr}"
        return done.stderr

    @property
    def store(self) -> Store:
        """Its store."""
        return Store(self.home / "data" / "store")

    @property
    def deployments(self) -> Path:
        """Where its deployments lie."""
        return self.home / "state" / "deployments"


@dataclass(frozen=True, slots=True)
class Harness:
    """A process target and short ways to use it."""

    target: ProcessTarget
    state_root: Path
    image: Image

    def deployment(
        self,
        name: str = "model",
        *,
        image: Image | None = None,
        mode: str = "",
        env: dict[str, str] | None = None,
        limits: Limits | None = None,
        port: int | None = None,
        network: bool = False,
        stop_grace_s: float = 5.0,
    ) -> Deployment:
        chosen = image or self.image
        return Deployment(
            name=name,
            manifest=chosen.manifest,
            config=chosen.config,
            version="1",
            env={"MODE": mode} | (env or {}),
            limits=limits or Limits(),
            port=port,
            network=network,
            stop_grace_s=stop_grace_s,
        )

    def up(self, deployment: Deployment | None = None) -> Status:
        return self.target.up(deployment or self.deployment(), timeout_s=20)


@pytest.fixture
def harness(store: Store, image: Image, tmp_path: Path) -> Iterator[Harness]:
    target = ProcessTarget(store, tmp_path / "state")
    yield Harness(target, tmp_path / "state", image)
    for status in target.ps():
        target.down(status.name)


def ask(status: Status, code: str, timeout_s: float = 20) -> str:
    """Run `code` in the sandbox; gives `result`, or the error."""
    request = urllib.request.Request(f"{status.address}/", data=code.encode())
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        body: bytes = answer.read()
    return body.decode()


def predict(status: Status, code: str, timeout_s: float = 60) -> str:
    """Run `code` in a sandbox of the real package; gives `result`, or the error."""
    request = urllib.request.Request(
        f"{status.address}/predict", data=code.encode(), headers={"content-type": "text/plain"}
    )
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        body: bytes = answer.read()
    return body.decode()


def wait_until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    """Wait for something that a loaded machine may take its time for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def process_is_gone(pid: int) -> bool:
    """Whether no such process runs any more; a zombie waits for its parent only."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True


def command_lines() -> list[str]:
    """The command lines of all processes that this user may see."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            data = (process / "cmdline").read_bytes()
        except OSError:
            continue
        found.append(data.replace(b"\0", b" ").decode(errors="replace"))
    return found


def control_groups(deployment: Path) -> list[Path]:
    """The groups there are of the deployment in this state directory."""
    identity = StateDirectory(deployment).identity
    return [path for path in cgroup.paths(cgroup.find(), identity) if path.exists()]


AS_ROOT = os.geteuid() == 0
