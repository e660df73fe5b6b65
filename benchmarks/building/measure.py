"""The run itself: make both ready, show that they make the same, then measure them in turn."""

import importlib.metadata
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.building import scenarios
from benchmarks.building.bench import Bench
from benchmarks.building.engine import PIP, Docker
from benchmarks.building.machine import this_machine
from benchmarks.building.processes import Finished
from benchmarks.building.report import Machine, Memory, Report, Scenario
from benchmarks.building.scenarios import Kind, MemoryKind
from shipmark import __version__
from shipmark.lock.lock import Lock

_MEMORY_ROUNDS = 3


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
    machine = this_machine(folder)
    bench = Bench(folder, docker, ballast_bytes=ballast_bytes)
    _say("making both ready: base image, downloads, first builds")
    with bench.ready() as lock:
        return _measured(bench, lock, docker, rounds, machine)


def _measured(bench: Bench, lock: Lock, docker: Docker, rounds: int, machine: Machine) -> Report:
    pairs: dict[str, list[tuple[Finished, Finished]]] = {kind.title: [] for kind in scenarios.KINDS}
    for number in range(rounds):
        for kind in scenarios.KINDS:
            ours, theirs = bench.round(kind, docker_first=number % 2 == 1)
            pairs[kind.title].append((ours, theirs))
            _say(
                f"round {number + 1}, {kind.title}: "
                f"{ours.seconds:.2f} s, Docker {theirs.seconds:.2f} s"
            )
    return Report(
        measured=datetime.now(UTC).date().isoformat(),
        rounds=rounds,
        weights_bytes=bench.ballast_bytes,
        machine=machine,
        versions=_versions(lock, docker),
        method=scenarios.METHOD,
        scenarios=tuple(_scenario(kind, pairs[kind.title]) for kind in scenarios.KINDS),
        memory=tuple(_memory(bench, kind) for kind in scenarios.MEMORY),
    )


def _scenario(kind: Kind, pairs: list[tuple[Finished, Finished]]) -> Scenario:
    return Scenario(
        title=kind.title,
        shipmark_s=tuple(round(ours.seconds, 4) for ours, _ in pairs),
        shipmark_processor_s=tuple(round(ours.processor_s, 4) for ours, _ in pairs),
        docker_s=tuple(round(theirs.seconds, 4) for _, theirs in pairs),
        at_most_s=kind.at_most_s,
        at_most_ratio=kind.at_most_ratio,
        bound=kind.bound,
    )


def _memory(bench: Bench, kind: MemoryKind) -> Memory:
    peaks = [bench.memory(kind.build) for _ in range(_MEMORY_ROUNDS)]
    return Memory(
        title=kind.build.title,
        together_bytes=max(ours.together_bytes for ours, _ in peaks),
        largest_bytes=max(ours.largest_bytes for ours, _ in peaks),
        docker_bytes=max(theirs for _, theirs in peaks),
        at_most_bytes=kind.at_most_bytes,
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


def _say(line: str) -> None:
    print(line, flush=True)
