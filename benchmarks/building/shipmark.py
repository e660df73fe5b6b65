"""Shipmark's side: the command as a user calls it, with homes of its own."""

import json
import os
import shutil
import sys
from pathlib import Path

from benchmarks.building.processes import Finished, run

COMMAND = str(Path(sys.executable).parent / "shipmark")


class Shipmark:
    """Shipmark with a home of its own.

    Args:
        home: Where it keeps everything.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        # An installed Shipmark has its bytecode; this checkout writes it at the first call.
        self.environment = {
            key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
        } | {"SHIPMARK_HOME": str(home)}

    def build(self, package: Path) -> Finished:
        """Build a package."""
        return run([COMMAND, "build", str(package)], self.environment)

    def forget(self) -> None:
        """Empty the store; downloads stay."""
        shutil.rmtree(self.home / "data", ignore_errors=True)

    def up(self, package: Path) -> str:
        """Start a package; the address it serves at."""
        up = json.loads(run([COMMAND, "up", str(package), "--json"], self.environment).output)
        address: str = up["address"]
        return address

    def down(self, name: str) -> None:
        """Stop it."""
        run([COMMAND, "down", name], self.environment)
