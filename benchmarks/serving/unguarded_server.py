"""The server without guard and metrics, to see what they cost; no setting can take them away.

Run as a program, with the environment of `python -m shipmark_serve`.
"""

import sys
from typing import Any

from shipmark_serve import instruments
from shipmark_serve.lifecycle import OpenGuard, Unobserved
from shipmark_serve.watchdog import Reporter, watch


class _Without(instruments.Instruments):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.guard = OpenGuard()
        self.observer = Unobserved()


def _serve(reporter: Reporter) -> int:
    # Only then may the server be imported: it takes the name into its own module.
    instruments.Instruments = _Without  # type: ignore[misc,assignment]  # what no setting can do
    from shipmark_serve.server import run  # noqa: PLC0415

    return run(reporter)


if __name__ == "__main__":
    sys.exit(watch(_serve))
