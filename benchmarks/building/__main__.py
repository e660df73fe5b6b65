"""`make bench-build`: measure, print the figures, keep them, and render their page."""

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.building.engine import engine
from benchmarks.building.measure import measure
from benchmarks.building.page import render, table
from benchmarks.building.report import dumps

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "build.json"
PAGE = ROOT / "docs" / "benchmarks" / "build.md"


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="make bench-build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weights-mib", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="work here, and keep it for the next run")
    parser.add_argument("--trial", action="store_true", help="print only; write nothing")
    options = parser.parse_args()
    # As an exception, so that the engine is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with ExitStack() as stack:
        folder = options.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="shipmark-bench-"))
        )
        folder = folder.absolute()
        docker = stack.enter_context(engine(folder / "docker"))
        report = measure(
            folder, docker, rounds=options.rounds, ballast_bytes=options.weights_mib << 20
        )
    print(table(report))
    if not options.trial:
        for path, data in ((RESULTS, dumps(report)), (PAGE, render(report).encode())):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
