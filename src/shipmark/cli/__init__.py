"""One file per verb.

A verb is imported when it is called, so that `shipmark --help` answers at once.
"""

from shipmark.cli.main import main

__all__ = ["main"]
