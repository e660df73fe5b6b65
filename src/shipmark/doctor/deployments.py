"""Whether every deployment that should run has a supervisor that keeps it running."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from shipmark.doctor.finding import Finding, together
from shipmark.errors import DeployError
from shipmark.targets.process import state
from shipmark.targets.process.state import StateDirectory


def check(root: Path) -> Finding:
    """Compare what should run with what does.

    Args:
        root: The folder with one folder for each deployment.
    """
    names = state.names(root)
    findings = [finding for name in names for finding in _faults(StateDirectory(root / name))]
    return together(findings or [Finding.ok(", ".join(names) or "there are none")])


def _faults(directory: StateDirectory) -> Iterator[Finding]:
    name = directory.name
    try:
        desired, observed = directory.desired(), directory.observed()
    except DeployError as error:
        yield Finding.of(error)
        return
    if desired is None:
        yield Finding.warning(
            f"{directory.path} holds no deployment",
            mend=f"rm -r {shlex.quote(str(directory.path))}",
        )
    elif desired.running and directory.supervisor() is None:
        # Nobody writes down that a supervisor was killed: then the last word is of before.
        failed = observed is not None and observed.state == "failed"
        reason = observed.error if observed is not None and failed else "its supervisor is gone"
        yield Finding.failed(
            f"{name} should run and does not: {reason}",
            mend=f"shipmark start {name}, or shipmark down {name} where it is not wanted any more",
        )
    elif observed is not None and observed.state == "restarting":
        yield Finding.warning(
            f"{name} ends again and again ({observed.restarts} restarts): {observed.error}",
            mend=f"shipmark logs {name}",
        )
