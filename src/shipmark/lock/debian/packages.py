"""The packages of an archive: `Packages`, 60 MB of stanzas, of which a lock needs a hundred.

So only names and what is provided are read at once; a stanza when somebody asks for it.
"""

import re
from dataclasses import dataclass

from shipmark.errors import LockError
from shipmark.lock.debian.version import Version, satisfies

_NAME = re.compile(rb"\nPackage: ([^\n]+)")
_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*"
    r"(?:\((?P<relation><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s)]+)\s*\))?"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """A package by name, perhaps of certain versions."""

    name: str
    relation: str = ""
    version: Version | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.relation} {self.version.text})" if self.version else self.name

    def met_by(self, version: Version | None) -> bool:
        """Whether `version` will do; None is a provided name without a version."""
        if self.version is None:
            return True
        return version is not None and satisfies(version, self.relation, self.version)


Clause = tuple[Relation, ...]
"""Alternatives, the preferred one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One binary package of the archive."""

    name: str
    version: Version
    architecture: str
    archive: str
    path: str
    size: int
    sha256: str
    depends: tuple[Clause, ...]
    conflicts: tuple[Clause, ...]
    provides: tuple[Relation, ...]


class Packages:
    """The packages of several indexes; of each name, the highest version."""

    def __init__(self) -> None:
        self._indexes: list[tuple[str, bytes, dict[bytes, list[int]]]] = []
        self._read: dict[str, Binary | None] = {}

    def add(self, text: bytes, *, archive: str) -> None:
        """Add an index as it stands in the archive, uncompressed."""
        text = b"\n" + text
        places: dict[bytes, list[int]] = {}
        for match in _NAME.finditer(text):
            places.setdefault(match[1], []).append(match.start() + 1)
        self._indexes.append((archive, text, places))

    def __contains__(self, name: str) -> bool:
        return any(name.encode() in places for _, _, places in self._indexes)

    def names(self) -> set[str]:
        """Every name."""
        return {name.decode() for _, _, places in self._indexes for name in places}

    def get(self, name: str) -> Binary | None:
        """The package of that name in its highest version."""
        if name not in self._read:
            versions = [
                _binary(archive, text, place)
                for archive, text, places in self._indexes
                for place in places.get(name.encode(), ())
            ]
            self._read[name] = max(versions, key=lambda each: each.version, default=None)
        return self._read[name]

    def providers(self, name: str) -> list[tuple[Binary, Version | None]]:
        """Packages that provide the virtual package `name`, with the version they give it."""
        line = re.compile(rb"\nProvides: [^\n]*\b" + re.escape(name.encode()) + rb"\b")
        named = {
            _name_before(text, match.start())
            for _, text, _ in self._indexes
            for match in line.finditer(text)
        }
        return [
            (binary, relation.version)
            for binary in map(self.get, sorted(named))
            if binary is not None
            for relation in binary.provides
            if relation.name == name
        ]


def relations(text: str) -> tuple[Clause, ...]:
    """Read a relationship field. Source: Debian Policy, 7.1."""
    return tuple(
        tuple(_relation(alternative.strip()) for alternative in clause.split("|"))
        for clause in text.split(",")
        if clause.strip()
    )


def _relation(text: str) -> Relation:
    match = _RELATION.match(text)
    if match is None:
        raise LockError(f"Debian's index has an unreadable dependency: {text!r}")
    version = match["version"]
    return Relation(match["name"], match["relation"] or "", Version(version) if version else None)


def _binary(archive: str, text: bytes, start: int) -> Binary:
    end = text.find(b"\n\n", start)
    fields = _fields(text[start : end if end >= 0 else len(text)].decode())
    try:
        return Binary(
            name=fields["Package"],
            version=Version(fields["Version"]),
            architecture=fields["Architecture"],
            archive=archive,
            path=fields["Filename"],
            size=int(fields["Size"]),
            sha256=fields["SHA256"],
            depends=relations(fields.get("Pre-Depends", "")) + relations(fields.get("Depends", "")),
            conflicts=relations(fields.get("Conflicts", "")),
            provides=tuple(clause[0] for clause in relations(fields.get("Provides", ""))),
        )
    except (KeyError, ValueError) as error:
        name = fields.get("Package")
        raise LockError(f"Debian's index has an unreadable entry for {name}: {error}") from None


def _name_before(text: bytes, place: int) -> str:
    start = text.rindex(b"\nPackage: ", 0, place) + len(b"\nPackage: ")
    return text[start : text.index(b"\n", start)].decode()


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith((" ", "\t")):
            fields[name] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields
