"""How long the spine takes: help, build, start to first answer.

Method: each figure is the median of `ROUNDS` runs of the real command, interleaved, in a home of
its own below the temporary directory. Downloads are done once before and are not counted.
`make bench-build` measures builds more closely, beside Docker's.
"""

import json
import os
import platform
import shutil
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.building.shipmark import Shipmark

ROUNDS = 5
PACKAGE = Path(__file__).parents[1] / "examples" / "digits"


def main() -> None:
    """Measure everything and print a table."""
    with tempfile.TemporaryDirectory(prefix="shipmark-bench-") as scratch:
        shipmark = Shipmark(Path(scratch))
        package = Path(scratch) / "digits"
        shutil.copytree(PACKAGE, package)
        built = json.loads(shipmark.call("build", str(package), "--json").output)
        measures: dict[str, Callable[[], float]] = {
            "shipmark --help": lambda: shipmark.call("--help").seconds,
            "build, nothing changed": lambda: shipmark.build(package).seconds,
            "build, a file of code changed": lambda: _code_changed(shipmark, package),
            "build, empty store, downloads warm": lambda: _cold_build(shipmark, package),
            "up of a built image to the first right answer": lambda: _first_answer(shipmark),
        }
        figures: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(ROUNDS):
            for name, measure in measures.items():
                figures[name].append(measure())
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"digits: {built['size'] / 1e6:.1f} MB compressed; medians of {ROUNDS}")
    for name, seconds in figures.items():
        print(
            f"{statistics.median(seconds):8.3f} s  {name}  ({min(seconds):.3f}-{max(seconds):.3f})"
        )


def _code_changed(shipmark: Shipmark, package: Path) -> float:
    (package / "note.txt").write_text(str(time.monotonic()))
    return shipmark.build(package).seconds


def _cold_build(shipmark: Shipmark, package: Path) -> float:
    (package / "note.txt").unlink(missing_ok=True)
    shipmark.forget()
    return shipmark.build(package).seconds


def _first_answer(shipmark: Shipmark) -> float:
    """From the call of `up` to a right answer; the layers are unpacked before."""
    shipmark.call("up", "digits")
    shipmark.call("down", "digits")
    body = (PACKAGE / "request.json").read_bytes()
    begin = time.monotonic()
    up = json.loads(shipmark.call("up", "digits", "--json").output)
    request = urllib.request.Request(
        f"{up['address']}/predict", data=body, headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    seconds = time.monotonic() - begin
    shipmark.call("down", "digits")
    assert "label" in answer
    return seconds


if __name__ == "__main__":
    main()
