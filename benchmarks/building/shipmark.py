"""Shipmark's side: the command as a user calls it, with homes of its own."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.building.processes import Finished, run
from shipmark.store import Store

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

    def call(self, *arguments: str, watch: bool = False) -> Finished:
        """Run the command."""
        return run([COMMAND, *arguments], self._environment, watch=watch)

    def build(self, package: Path, *, watch: bool = False) -> Finished:
        """Build a package."""
        return self.call("build", str(package), watch=watch)

    @property
    def store(self) -> Store:
        """Where it keeps wheels and layers."""
        return Store(self._home / "data" / "store")

    def forget(self) -> None:
        """Empty the store; downloads stay."""
        shutil.rmtree(self._home / "data", ignore_errors=True)

    @contextmanager
    def running(self, package: Path) -> Iterator[str]:
        """A deployment of a package, while the context lasts; the address it serves at."""
        up = json.loads(self.call("up", str(package), "--json").output)
        try:
            yield up["address"]
        finally:
            self.call("down", up["name"])
