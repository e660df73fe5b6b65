"""A store with a real image, and a target whose deployments are gone after each test."""

import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shipmark.deploy.deployment import Deployment
from shipmark.deploy.limits import Limits
from shipmark.deploy.status import Status
from shipmark.store import Store
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


AS_ROOT = os.geteuid() == 0
