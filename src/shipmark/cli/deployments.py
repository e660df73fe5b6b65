"""What the verbs about deployments share: this user's target, and how a status is shown."""

from functools import cache

import msgspec

from shipmark.cli.home import home
from shipmark.cli.tables import table
from shipmark.deploy.status import Status
from shipmark.store import Store
from shipmark.targets.process.target import ProcessTarget


@cache
def store() -> Store:
    """This user's store."""
    return Store(home().store)


@cache
def process_target() -> ProcessTarget:
    """This user's deployments on this host."""
    return ProcessTarget(store(), home().state)


def status_document(status: Status) -> dict[str, object]:
    """A status for a machine."""
    document: dict[str, object] = msgspec.to_builtins(status)
    document["state"] = document.pop("observed")
    return document


def status_table(statuses: list[Status]) -> str:
    """Statuses for a person: a line each, in columns."""
    rows = [("NAME", "VERSION", "STATE", "ADDRESS", "RESTARTS", "DIGEST")]
    rows += [
        (
            status.name,
            status.version,
            _state(status),
            status.address or "-",
            str(status.restarts),
            (status.digest or "-").removeprefix("sha256:")[:12],
        )
        for status in statuses
    ]
    errors = [f"{each.name}: {each.last_error}" for each in statuses if each.last_error]
    return "\n".join(table(rows) + errors)


def _state(status: Status) -> str:
    if status.observed == "running":
        return "ready" if status.ready else "not ready"
    wanted = "" if status.observed == status.desired else f" (should be {status.desired})"
    return f"{status.observed}{wanted}"
