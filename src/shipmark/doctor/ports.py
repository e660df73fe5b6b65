"""Whether the first port of deployments is free, and otherwise who has it."""

from pathlib import Path

from shipmark.doctor.finding import Finding
from shipmark.errors import DeployError
from shipmark.targets.process import ports, state
from shipmark.targets.process.state import StateDirectory

_ADDRESS = "127.0.0.1"


def check(deployments: Path, *, port: int = ports.FIRST_PORT) -> Finding:
    """Open the port for a moment."""
    try:
        ports.listen(_ADDRESS, port).close()
    except DeployError as error:
        holder = _deployment(deployments, port)
        if holder is not None:
            return Finding.ok(f"{port} is that of the deployment {holder}")
        return Finding.warning(
            error.message,
            why="`shipmark up` takes the next free port, and `shipmark serve` needs another",
            mend="end that program, or give --port",
        )
    return Finding.ok(f"{port} is free")


def _deployment(root: Path, port: int) -> str | None:
    for name in state.names(root):
        directory = StateDirectory(root / name)
        try:
            observed = directory.observed()
        except DeployError:
            continue  # the check `deployments` tells of it
        if observed is not None and observed.port == port and directory.supervisor() is not None:
            return name
    return None
