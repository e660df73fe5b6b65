"""The run itself: make both ready, show that they make the same, then measure them in turn."""

import importlib.metadata
import json
import os
import platform
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.building import scenarios
from benchmarks.building.engine import PIP, Docker
from benchmarks.building.machine import this_machine
from benchmarks.building.processes import Failed, Finished, resident, watched
from benchmarks.building.report import Memory, Report, Scenario
from benchmarks.building.scenarios import Kind, MemoryKind
from benchmarks.building.shipmark import Shipmark
from benchmarks.building.workload import Workload
from shipmark import __version__
from shipmark.cli.platforms import host_platform
from shipmark.lock import text
from shipmark.lock.lock import Lock

_IMAGE = (0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12,
          0, 0, 8, 8, 0, 0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0,
          0, 0, 0, 6, 13, 10, 0, 0, 0)  # fmt: skip
_READY_S = 60

Build = Callable[[], Finished]


@dataclass(slots=True)
class Bench:
    """Both builders, and the packages they build.

    `warm` keeps everything of earlier builds, `cold` is emptied before each.
    """

    docker: Docker
    warm: Shipmark
    cold: Shipmark
    small: Workload
    large: Workload
    primer: Path
    """Another package on the same base."""
    turns: int = field(default=0)

    def get_ready(self) -> Lock:
        """Download, lock and build everything once, with both."""
        self.docker.make_base()
        self.warm.build(self.small.app)
        lock = text.read(self.small.app / "shipmark.lock")
        for workload in (self.small, self.large):
            self.warm.build(workload.app)
            self.cold.build(workload.app)
            workload.take_over(text.read(workload.app / "shipmark.lock"), host_platform())
            self.docker.build(workload.folder, workload.folder.name)
        self.cold.build(self.primer)
        return lock

    def check_same(self) -> None:
        """Start both images and ask them the same.

        Raises:
            Failed: They answer otherwise.
        """
        port = _free_port()
        with self.docker.running(self.small.folder.name, port):
            theirs = _answer(f"http://127.0.0.1:{port}")
        ours = _answer(self.warm.up(self.small.app))
        self.warm.down(self.small.app.name)
        if ours != theirs:
            raise Failed(f"the two images are not the same: {ours!r} and {theirs!r}")

    def both(self, kind: Kind) -> tuple[Build, Build]:
        """Get ready for one round of a kind of build; what Shipmark and what Docker then does."""
        workload = self.large if kind.large else self.small
        shipmark = self.cold if kind.cold else self.warm
        if kind.cold:
            shipmark.forget()
        if kind.base_there:
            shipmark.build(self.primer)
        if kind.change == "code":
            workload.change_code()
        elif kind.change == "weights":
            workload.change_weights()
        options = ["--no-cache"] if kind.cold else []
        return (
            lambda: shipmark.build(workload.app),
            lambda: self.docker.build(workload.folder, workload.folder.name, *options),
        )

    def round(self, kind: Kind) -> tuple[float, float]:
        """Seconds of one build by each; who goes first changes from round to round."""
        builds = self.both(kind)
        order = (0, 1) if self.turns % 2 == 0 else (1, 0)
        seconds = [0.0, 0.0]
        for which in order:
            os.sync()  # nobody pays for what another left to be written
            seconds[which] = builds[which]().seconds
        return seconds[0], seconds[1]

    def memory(self, kind: MemoryKind, rounds: int) -> Memory:
        """Peaks of some builds, which are not timed."""
        together = largest = theirs = 0
        for _ in range(rounds):
            ours, docker = self.both(kind.build)
            with watched(os.getpid()) as peak:
                before = resident(os.getpid())
                finished = ours()
            together = max(together, peak.size_bytes - before)
            largest = max(largest, finished.largest_bytes)
            with watched(os.getpid()) as peak:
                docker()
            theirs = max(theirs, peak.size_bytes - before)
        return Memory(
            title=kind.build.title,
            together_bytes=together,
            largest_bytes=largest,
            docker_bytes=theirs,
            at_most_bytes=kind.at_most_bytes,
            bound=kind.bound,
        )


def measure(folder: Path, docker: Docker, *, rounds: int, ballast_bytes: int) -> Report:
    """Measure everything.

    Args:
        folder: Takes homes, packages and contexts.
        docker: The other side.
        rounds: How often each kind of build is timed.
        ballast_bytes: How many weights change at once.

    Raises:
        Failed: A program went wrong, or the two do not make the same image.
    """
    bench = _bench(folder, docker, ballast_bytes)
    _say("making both ready: base image, downloads, first builds")
    lock = bench.get_ready()
    bench.check_same()
    seconds: dict[str, list[tuple[float, float]]] = {kind.title: [] for kind in scenarios.KINDS}
    for number in range(rounds):
        bench.turns = number
        for kind in scenarios.KINDS:
            ours, theirs = bench.round(kind)
            seconds[kind.title].append((ours, theirs))
            _say(f"round {number + 1}: {kind.title}: {ours:.2f} s, Docker {theirs:.2f} s")
    return Report(
        measured=datetime.now(UTC).date().isoformat(),
        rounds=rounds,
        machine=this_machine(folder),
        versions=_versions(lock, docker),
        method=scenarios.METHOD,
        scenarios=tuple(_scenario(kind, seconds[kind.title]) for kind in scenarios.KINDS),
        memory=tuple(bench.memory(kind, min(rounds, 3)) for kind in scenarios.MEMORY),
    )


def _bench(folder: Path, docker: Docker, ballast_bytes: int) -> Bench:
    primer = folder / "primer"
    shutil.rmtree(primer, ignore_errors=True)
    primer.mkdir(parents=True)
    (primer / "model.py").write_text("def predict(text: str) -> str:\n    return text\n")
    return Bench(
        docker=docker,
        warm=Shipmark(folder / "warm"),
        cold=Shipmark(folder / "cold"),
        small=Workload(folder / "small"),
        large=Workload(folder / "large", ballast_bytes=ballast_bytes),
        primer=primer,
    )


def _scenario(kind: Kind, seconds: list[tuple[float, float]]) -> Scenario:
    return Scenario(
        title=kind.title,
        shipmark_s=tuple(round(ours, 4) for ours, _ in seconds),
        docker_s=tuple(round(theirs, 4) for _, theirs in seconds),
        at_most_s=kind.at_most_s,
        at_most_ratio=kind.at_most_ratio,
        bound=kind.bound,
    )


def _versions(lock: Lock, docker: Docker) -> dict[str, str]:
    return {
        "Shipmark": __version__,
        "Python that runs Shipmark": platform.python_version(),
        "zlib-ng": importlib.metadata.version("zlib-ng"),
        "Python in both images": lock.python_exact,
        "pip in Docker's base": PIP,
        **docker.versions(),
    }


def _answer(address: str) -> object:
    """What an image says to one drawing, once it is ready."""
    request = urllib.request.Request(
        f"{address}/predict",
        data=",".join(map(str, _IMAGE)).encode(),
        headers={"content-type": "text/plain"},
    )
    until = time.monotonic() + _READY_S
    while True:
        try:
            with urllib.request.urlopen(request) as response:
                return json.loads(response.read())
        except OSError as error:
            if time.monotonic() > until:
                raise Failed(f"{address} does not answer: {error}") from error
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _say(line: str) -> None:
    print(line, flush=True)
