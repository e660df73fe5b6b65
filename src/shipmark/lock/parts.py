"""The parts of a lock that follow from the package and from this Shipmark without a network."""

from collections.abc import Iterable
from importlib.metadata import version

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from shipmark.errors import LockError
from shipmark.lock import server_wheel
from shipmark.lock.debian import base
from shipmark.lock.debian.base import Suite
from shipmark.lock.lock import Compressor, Lock
from shipmark.package.package import Package
from shipmark_serve.contract.model import Model

EPOCH = 315532800
"""1980-01-01T00:00:00Z, the earliest time that a zip can hold: the time of every file."""


def suite(package: Package) -> Suite:
    """The Debian suite of the package's image.

    Raises:
        LockError: There is no such suite, or it has another Python.
    """
    found = base.suite(package.config.image.suite)
    python = package.config.python.version
    if python is not None and python != found.python:
        others = [each.name for each in base.SUITES.values() if each.python == python]
        raise LockError(
            f"{package.origin}: [python] version is {python}, but Debian {found.name} has "
            f"Python {found.python}",
            hint=f'set [image] suite = "{others[0]}"'
            if others
            else f'set [python] version = "{found.python}"',
        )
    return found


def model(package: Package, previous: Lock | None) -> Model:
    """What the server will be told.

    A name that nobody chose is that of the directory or file; it stays as it was first locked, so
    that a copy of the package under another name is still the same model.
    """
    if previous is None or package.name_chosen:
        return package.model
    return msgspec.structs.replace(package.model, name=previous.model.name)


def requires(package: Package) -> tuple[str, ...]:
    """What is resolved: the package's requirements and the server's.

    Raises:
        LockError: A line is not a requirement.
    """
    return normal([*package.requirements, *server_wheel.requirements()])


def normal(lines: Iterable[str]) -> tuple[str, ...]:
    """Requirements in one spelling, sorted, each once.

    Raises:
        LockError: A line is not a requirement.
    """
    spelled = set()
    for line in lines:
        try:
            spelled.add(str(Requirement(line)))
        except InvalidRequirement as error:
            raise LockError(
                f"{line!r} is not a requirement: {error}", hint="write it like: numpy>=2,<3"
            ) from None
    return tuple(sorted(spelled))


def system(package: Package) -> tuple[str, ...]:
    """The Debian packages asked for beyond the base set, sorted, each once."""
    return tuple(sorted(set(package.config.system.packages)))


def env(package: Package) -> dict[str, str]:
    """The `[env]` table, by name."""
    return dict(sorted(package.config.env.items()))


def resources(package: Package) -> dict[str, str]:
    """The `[resources]` that are set, by name."""
    table = msgspec.to_builtins(package.config.resources)
    return {key: str(value) for key, value in sorted(table.items()) if value is not None}


def compressor() -> Compressor:
    """What this Shipmark compresses with."""
    return Compressor(version=version("zlib-ng"))
