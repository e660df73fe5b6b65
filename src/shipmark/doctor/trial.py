"""Try a step of the sandbox for real, in a process of its own.

The steps fork and change their namespaces, which only a process of one thread can do; and what is
tried there leaves nothing behind here.
"""

import subprocess
import sys
from collections.abc import Callable

from shipmark.errors import ShipmarkError
from shipmark.targets.process.launch import LaunchFailed

_TIMEOUT_S = 8.0
"""Less than a check may take, so that it lives to end the process."""


def refusal(module: str, *arguments: str) -> str:
    """Run `module` as a program; what the host refused it, or nothing.

    Args:
        module: Name of a module that ends in `sys.exit(tried(...))`.
        arguments: Its command line.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not over after {_TIMEOUT_S:g} s"
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"the trial ended with status {done.returncode}"


def tried(step: Callable[[], None]) -> str | None:
    """What `sys.exit` shall say of `step`: None where nothing was refused."""
    try:
        step()
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    except (ValueError, LaunchFailed, ShipmarkError) as error:
        return str(error)
    return None
