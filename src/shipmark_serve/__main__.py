"""`python -m shipmark_serve`: the watchdog, and the server below it."""

import sys

from shipmark_serve.watchdog import Reporter, watch


def _serve(reporter: Reporter) -> int:
    from shipmark_serve.server import run  # noqa: PLC0415 - in the server's process only

    return run(reporter)


if __name__ == "__main__":
    sys.exit(watch(_serve))
