"""`make bench-serving`: measure, print the figures, keep them, and render their page."""

import argparse
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import platformdirs

from benchmarks.serving import alone, ask, contenders
from benchmarks.serving.contenders import Contender
from benchmarks.serving.environments import Unavailable
from benchmarks.serving.measure import Comparison, say
from benchmarks.serving.method import METHOD
from benchmarks.serving.models import Model, make
from benchmarks.serving.page import render, table
from benchmarks.serving.peers import FASTAPI, PEERS
from benchmarks.serving.processes import Failed
from benchmarks.serving.report import IMAGE, OURS, SOURCE, Left, Machine, Report, dumps
from benchmarks.serving.shipmark import guarded

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "serving.json"
PAGE = ROOT / "docs" / "benchmarks" / "serving.md"
_NAMES = (*OURS, *(peer.name for peer in PEERS))
_MODELS = ("iris", "mlp", "conv")
_LONGER = 3
"""A load of the slow model is so many times longer."""


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="make bench-serving")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each load; three times for conv")
    parser.add_argument("--minutes", type=float, default=90, help="begin no round after so many")
    parser.add_argument("--peers", default=",".join(_NAMES), help=f"some of {','.join(_NAMES)}")
    parser.add_argument("--models", default=",".join(_MODELS), help=f"some of {','.join(_MODELS)}")
    parser.add_argument("--no-alone", action="store_true", help="only the comparison")
    parser.add_argument(
        "--cache",
        type=Path,
        default=platformdirs.user_cache_path("shipmark") / "bench-serving",
        help="environments and images, kept for the next run",
    )
    parser.add_argument("--trial", action="store_true", help="print only; write nothing")
    options = parser.parse_args()
    wanted, models = options.peers.split(","), options.models.split(",")
    if unknown := {*wanted} - {*_NAMES} | {*models} - {*_MODELS}:
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    report = _measure(
        options.cache.absolute(),
        wanted=wanted,
        names=models,
        rounds=options.rounds,
        seconds=options.seconds,
        until=time.monotonic() + 60 * options.minutes,
        also_alone=not options.no_alone,
    )
    print(table(report))
    if not options.trial:
        for path, data in ((RESULTS, dumps(report)), (PAGE, render(report).encode())):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"written: {path.relative_to(ROOT)}")


def _measure(
    cache: Path,
    *,
    wanted: list[str],
    names: list[str],
    rounds: int,
    seconds: int,
    until: float,
    also_alone: bool,
) -> Report:
    models = {name: model for name, model in make(cache / "models").items() if name in names}
    left: list[Left] = []
    taking = _contenders(cache, wanted, left, models)
    baseline = contenders.peer(FASTAPI, cache)
    cores = len(os.sched_getaffinity(0))
    comparisons: list[Comparison] = []
    begun = time.monotonic()
    done: dict[str, int] = {}
    lengths = {name: seconds * (_LONGER if name == "conv" else 1) for name in models}
    for number, (name, model) in enumerate(models.items(), start=1):
        comparison = Comparison(
            model=model,
            baseline=baseline,
            contenders=taking,
            seconds=lengths[name],
            threads=cores,
        )
        comparisons.append(comparison)
        # Each model has its share of the time.
        share = begun + (until - begun) * number / len(models)
        done[name] = comparison.run(rounds, until=share)
        left += comparison.left
    report = Report(
        measured=datetime.now(UTC).date().isoformat(),
        rounds=done,
        seconds=lengths,
        machine=_machine(cores),
        servers=(baseline.server, *(each.server for each in taking)),
        method=METHOD,
        models={name: model.about for name, model in models.items()},
        rows=tuple(row for each in comparisons for row in each.rows()),
        starts=tuple(start for each in comparisons for start in each.starts()),
        left=tuple(left),
        bare=tuple(bare for each in comparisons for bare in each.bare()),
    )
    return _with_alone(report, cache, rounds, seconds) if also_alone else report


def _contenders(
    cache: Path, wanted: list[str], left: list[Left], models: dict[str, Model]
) -> list[Contender]:
    found: list[Contender] = []
    if SOURCE in wanted:
        found.append(contenders.shipmark_source(cache))
    if IMAGE in wanted:
        say("building the images of the models")
        try:
            found.append(contenders.shipmark_image(cache, models))
        except Failed as error:
            left.append(Left(server=IMAGE, model="all", reason=str(error)))
    for kind in PEERS:
        if kind.name in wanted:
            say(f"environment of {kind.name}")
            try:
                found.append(contenders.peer(kind, cache))
            except Unavailable as error:
                left.append(Left(server=kind.name, model="all", reason=str(error)))
    for each in left:
        say(f"left out: {each.server}: {each.reason}")
    return found


def _with_alone(report: Report, cache: Path, rounds: int, seconds: int) -> Report:
    models = make(cache / "models")
    parts: dict[str, object] = {}
    steps: dict[str, Callable[[], object]] = {
        "costs": lambda: tuple(
            alone.cost(cache, models["iris"], asked, pairs=max(2 * rounds, 2), seconds=seconds)
            for asked in map(guarded, (ask.plain(models["iris"]), ask.v2(models["iris"])))
        ),
        "processes": lambda: alone.processes(cache, rounds=rounds, seconds=seconds),
        "overload": lambda: alone.overload(
            cache, models["conv"], threads=report.machine.cores, seconds=5 * seconds
        ),
    }
    left = list(report.left)
    for name, step in steps.items():
        try:
            parts[name] = step()
        except Failed as error:
            say(f"{name}: {error}")
            left.append(Left(server=SOURCE, model=name, reason=str(error)))
    return msgspec.structs.replace(report, left=tuple(left), **parts)


def _machine(cores: int) -> Machine:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return Machine(
        processor=names[0] if names else platform.machine(),
        cores=cores,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
    )


if __name__ == "__main__":
    main()
