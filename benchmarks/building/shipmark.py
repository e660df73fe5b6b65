"""Shipmark's side: the command as a user calls it, with homes of its own."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.building.processes import Finished, run

COMMAND = str(Path(sys.executable).parent / "shipmark")


class Shipmark:
    """Shipmark with a home of its own.

    Args:
        home: Where it keeps everything.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        # An installed Shipmark has its bytecode; this checkout writes it at the first call.
        self._environment = {
            key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
        } | {"SHIPMARK_HOME": str(home)}

    def build(self, package: Path, *, watch: bool = False) -> Finished:
        """Build a package."""
        return run([COMMAND, "build", str(package)], self._environment, watch=watch)

    def forget(self) -> None:
        """Empty the store; downloads stay."""
        shutil.rmtree(self._home / "data", ignore_errors=True)

    @contextmanager
    def running(self, package: Path) -> Iterator[str]:
        """A deployment of a package, while the context lasts; the address it serves at."""
        up = json.loads(run([COMMAND, "up", str(package), "--json"], self._environment).output)
        try:
            yield up["address"]
        finally:
            run([COMMAND, "down", up["name"]], self._environment)
