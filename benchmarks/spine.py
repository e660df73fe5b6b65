"""How long the spine takes: help, build, start to first answer.

Method: each figure is the median of `ROUNDS` runs of the real command, interleaved, in a home of
its own below the temporary directory. Downloads are done once before and are not counted.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROUNDS = 5
ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "examples" / "digits"
SHIPMARK = Path(sys.executable).parent / "shipmark"


def main() -> None:
    """Measure everything and print a table."""
    with tempfile.TemporaryDirectory(prefix="shipmark-bench-") as scratch:
        environ = {**os.environ, "SHIPMARK_HOME": scratch}
        package = Path(scratch) / "digits"
        shutil.copytree(PACKAGE, package)
        built = json.loads(_run(environ, "build", str(package), "--json").stdout)
        measures: dict[str, Callable[[], float]] = {
            "shipmark --help": lambda: _timed(environ, "--help"),
            "build, nothing changed": lambda: _timed(environ, "build", str(package)),
            "build, a line of code changed": lambda: _code_changed(environ, package),
            "build, empty store, downloads warm": lambda: _cold_build(environ, package, scratch),
            "up of a built image to the first right answer": lambda: _first_answer(environ),
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


def _run(environ: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SHIPMARK, *args], env=environ, check=True, capture_output=True, text=True
    )


def _timed(environ: dict[str, str], *args: str) -> float:
    begin = time.monotonic()
    _run(environ, *args)
    return time.monotonic() - begin


def _code_changed(environ: dict[str, str], package: Path) -> float:
    (package / "note.txt").write_text(str(time.monotonic()))
    return _timed(environ, "build", str(package))


def _cold_build(environ: dict[str, str], package: Path, scratch: str) -> float:
    (package / "note.txt").unlink(missing_ok=True)
    shutil.rmtree(Path(scratch) / "data")
    return _timed(environ, "build", str(package))


def _first_answer(environ: dict[str, str]) -> float:
    """From the call of `up` to a right answer; the layers are unpacked before."""
    _run(environ, "up", "digits")
    _run(environ, "down", "digits")
    body = (PACKAGE / "request.json").read_bytes()
    begin = time.monotonic()
    up = json.loads(_run(environ, "up", "digits", "--json").stdout)
    request = urllib.request.Request(
        f"{up['address']}/predict", data=body, headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    seconds = time.monotonic() - begin
    _run(environ, "down", "digits")
    assert "label" in answer
    return seconds


if __name__ == "__main__":
    main()
