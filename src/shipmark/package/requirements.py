"""What a package needs from the index, from the one place where its author wrote it.

That place is `requirements.txt`, `pylock.toml`, or `[python] requires` of `shipmark.toml`; two at
once are complained of, since nobody could say which of two versions is meant.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from packaging.pylock import Pylock, PylockValidationError
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from shipmark.package.complaints import Complaints
from shipmark.package.config_file import ConfigFile
from shipmark.package.paths import show
from shipmark.package.requirements_txt import (
    REQUIREMENTS_FILE,
    read_requirements_txt,
    without_credentials,
)
from shipmark.package.tree import Tree, read_small

PYLOCK_FILE = "pylock.toml"
MAX_PYLOCK_BYTES = 16 * 1024 * 1024

SERVER = ("shipmark", "shipmark-serve")
"""The server comes into the image with the lock, never from the index; what its extras need does
come from there."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """PEP 508 requirements, and the hashes that their files must have."""

    lines: tuple[Requirement, ...] = ()
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Normalised name -> the sha256 digits that its author allows; other names may be any."""
    place: str = REQUIREMENTS_FILE
    """Where they were read, for messages."""

    def naming(self, name: str) -> tuple[Requirement, ...]:
        """Those of the project `name`."""
        return tuple(each for each in self.lines if canonicalize_name(each.name) == name)

    def with_runtime(self, *needed: str) -> Self:
        """Add what a runtime needs: versions always, bare names where the author is silent."""
        added = [Requirement(each) for each in needed]
        missing = [
            each
            for each in added
            if each.specifier
            or all(own.marker for own in self.naming(canonicalize_name(each.name)))
        ]
        return type(self)((*self.lines, *missing), self.hashes, self.place)

    def texts(self) -> tuple[str, ...]:
        """The requirements as lines, sorted, each once."""
        return tuple(sorted({str(each) for each in self.lines}))


def read_requirements(tree: Tree, file: ConfigFile, complaints: Complaints) -> Requirements:
    """Read the requirements of the package, complaining of each that cannot be locked."""
    paths = {found.path for found in tree.found}
    places = [name for name in (REQUIREMENTS_FILE, PYLOCK_FILE) if name in paths]
    in_config = file.config.python.requires
    if in_config:
        places.append(file.place("python", "requires"))
    if len(places) > 1:
        complaints.add(
            places[0],
            f"says what the package needs, and so does {' and '.join(places[1:])}",
            "keep one of them, or name the other in .shipmarkignore",
        )
        return Requirements()
    if in_config:
        return _checked(
            [(place, text) for place in places for text in in_config], {}, places[0], complaints
        )
    if places == [REQUIREMENTS_FILE]:
        lines, hashes = read_requirements_txt(tree, complaints)
        return _checked(lines, hashes, REQUIREMENTS_FILE, complaints)
    if places == [PYLOCK_FILE]:
        return _read_pylock(read_small(tree, PYLOCK_FILE, MAX_PYLOCK_BYTES), complaints)
    return Requirements()


def _checked(
    lines: list[tuple[str, str]],
    hashes: Mapping[str, frozenset[str]],
    place: str,
    complaints: Complaints,
) -> Requirements:
    good: list[Requirement] = []
    for where, text in lines:
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, RecursionError) as error:
            reason = str(error).splitlines()[0]
            complaints.add(
                where,
                f"{without_credentials(text)!r} is not a requirement ({reason})",
                "write it like numpy>=2,<3; see PEP 508",
            )
            continue
        name = canonicalize_name(requirement.name)
        if requirement.url is not None:
            complaints.add(
                where,
                f"{requirement.name} is asked for by an address and not by a version; only wheels "
                "of an index can be locked",
                f"publish it on an index and write {requirement.name}==VERSION",
            )
        elif name in SERVER and not (name == SERVER[1] and requirement.extras):
            complaints.note(
                where, f"{requirement.name} comes into every image by itself", "leave it out"
            )
        else:
            good.append(requirement)
    return Requirements(tuple(good), hashes, place)


def _read_pylock(data: bytes, complaints: Complaints) -> Requirements:
    try:
        lock = Pylock.from_dict(tomllib.loads(data.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, PylockValidationError) as error:
        complaints.add(
            PYLOCK_FILE, f"is no lock of PEP 751 ({show(str(error))})", "make it again by its tool"
        )
        return Requirements()
    lines: list[tuple[str, str]] = []
    hashes: dict[str, frozenset[str]] = {}
    for package in lock.packages:
        if package.version is None or not (package.wheels or package.sdist):
            complaints.add(
                PYLOCK_FILE,
                f"{package.name} is not taken from an index by version",
                "lock a released version of it",
            )
            continue
        marker = f"; {package.marker}" if package.marker is not None else ""
        lines.append((PYLOCK_FILE, f"{package.name}=={package.version}{marker}"))
        allowed = {wheel.hashes.get("sha256", "") for wheel in package.wheels or ()} - {""}
        if allowed:
            name = canonicalize_name(package.name)
            hashes[name] = hashes.get(name, frozenset()) | allowed
    return _checked(lines, hashes, PYLOCK_FILE, complaints)
