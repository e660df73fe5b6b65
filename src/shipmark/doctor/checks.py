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

_NO_DEPLOYMENT = "nothing can be deployed on this host"
_NO_LOCK = "nothing new can be locked or downloaded"

WHY = {
    "platform": _NO_DEPLOYMENT,
    "python": "Shipmark cannot do its work",
    "namespaces": _NO_DEPLOYMENT,
    "bubblewrap": _NO_DEPLOYMENT,
    "overlay": _NO_DEPLOYMENT,
    "seccomp": _NO_DEPLOYMENT,
    "sandbox": _NO_DEPLOYMENT,
    "cgroups": "limits of a deployment are not enforced",
    "disk": "nothing can be built",
    "store": "builds may fail",
    "images": "the image cannot be started or exported",
    "settings": _NO_LOCK,
    "index": _NO_LOCK,
    "debian": _NO_LOCK,
    "certificates": _NO_LOCK,
    "clock": "certificates and Debian's indexes hold for a span of time, which is then missed",
    "ports": "a deployment may not get the port that is expected",
    "deployments": "its callers get no answer",
}
"""Every check, and what does not work where it finds something."""

_LINUX_ALONE = {
    "namespaces", "bubblewrap", "overlay", "seccomp", "sandbox", "cgroups", "ports", "deployments",
}  # fmt: skip
_WITH_SOURCES = {"index", "debian", "certificates"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where this user's Shipmark keeps its things, and whence it gets them."""

    store: Path
    cache: Path
    state: Path
    deployments: Path
    sources: Sources | ShipmarkError
    """Or why the settings cannot be read."""
    now: Callable[[], datetime]


def all_checks(here: Installation) -> dict[str, Check]:
    """Every check by name, ready to run."""
    system = os.uname()
    runs = _of_this_host(here) | _of_sources(here)
    runs["platform"] = partial(
        platform.check, system=system.sysname, machine=system.machine, release=system.release
    )
    if system.sysname != "Linux":
        runs |= dict.fromkeys(_LINUX_ALONE, _on_linux_alone)
    return {name: Check(run=runs[name], why=why) for name, why in WHY.items()}


def _of_this_host(here: Installation) -> dict[str, Callable[[], Finding]]:
    return {
        "python": python.check,
        "namespaces": namespaces.check,
        "bubblewrap": bubblewrap.check,
        "overlay": partial(overlay.check, here.store),
        "seccomp": seccomp.check,
        "sandbox": partial(sandbox.check, here.store),
        "cgroups": cgroups.check,
        "disk": partial(disk.check, store=here.store, cache=here.cache, state=here.state),
        "store": partial(store.check, here.store, now=here.now()),
        "images": partial(images.check, Store(here.store)),
        "ports": partial(ports.check, here.deployments),
        "deployments": partial(deployments.check, here.deployments),
    }


def _of_sources(here: Installation) -> dict[str, Callable[[], Finding]]:
    sources = here.sources
    if not isinstance(sources, ShipmarkError):
        sources = settings.usable(sources)
    runs: dict[str, Callable[[], Finding]] = {"settings": partial(settings.check, sources)}
    if isinstance(sources, ShipmarkError):
        runs |= dict.fromkeys(_WITH_SOURCES, _without_settings)
        runs["clock"] = partial(clock.check, None, now=here.now)
    else:
        runs |= {
            "index": partial(index.check, sources),
            "debian": partial(debian.check, sources, now=here.now),
            "certificates": partial(certificates.check, sources, now=here.now()),
            "clock": partial(clock.check, sources, now=here.now),
        }
    return runs


def _on_linux_alone() -> Finding:
    return Finding.warning("not tried: it needs Linux", mend="see the check `platform`")


def _without_settings() -> Finding:
    return Finding.warning("not tried", mend="mend what the check `settings` says first")
