"""The table of all checks, in the order in which a person should mend."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from shipmark.doctor import (
    bubblewrap,
    certificates,
    cgroups,
    clock,
    debian,
    deployments,
    disk,
    images,
    index,
    namespaces,
    overlay,
    platform,
    ports,
    python,
    sandbox,
    seccomp,
    settings,
    store,
)
from shipmark.doctor.examine import Check
from shipmark.doctor.finding import Finding
from shipmark.errors import ShipmarkError
from shipmark.lock.sources import Sources
from shipmark.store import Store

_DEPLOY = "nothing can be deployed on this host"
_LOCK = "nothing new can be locked or downloaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where this user's Shipmark keeps its things, and whence it gets them."""

    store: Path
    cache: Path
    state: Path
    deployments: Path
    sources: Sources | ShipmarkError
    """Where the settings cannot be read, why."""
    now: Callable[[], datetime]


def all_checks(here: Installation) -> dict[str, Check]:
    """Every check by name, ready to run."""
    system = os.uname()
    kernel = partial(
        platform.check, system=system.sysname, machine=system.machine, release=system.release
    )
    linux = _on_linux if system.sysname == "Linux" else _elsewhere
    sources = here.sources
    ...
