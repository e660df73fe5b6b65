"""Which packages a set of packages needs."""

import difflib
from collections.abc import Iterable

from shipmark.errors import LockError
from shipmark.lock.debian.packages import Binary, Clause, Packages, Relation

_HINT = "see what the suite has at https://packages.debian.org"


class Closure:
    """A growing set of packages in which every dependency is met.

    Of each name there is one candidate, the highest version, so nothing is ever taken back.
    """

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self._chosen: dict[str, Binary] = {}

    @property
    def chosen(self) -> tuple[Binary, ...]:
        """The set, by name."""
        return tuple(self._chosen[name] for name in sorted(self._chosen))

    def add(self, names: Iterable[str], *, leave_out: frozenset[str], asked_by: str) -> None:
        """Add packages and what they need.

        Args:
            names: Packages by name.
            leave_out: Names that are taken as if they were there already.
            asked_by: Who wants them, for messages.

        Raises:
            LockError: A name is not known, a dependency cannot be met, or two conflict.
        """
        wanted = sorted(names)
        # What is named is there before alternatives are weighed.
        pending = [self._named(name, asked_by) for name in wanted if name not in self._chosen]
        self._chosen.update({binary.name: binary for binary in pending})
        leave_out -= set(wanted)
        while pending:
            binary = pending.pop(0)
            for clause in binary.depends:
                found = self._meet(binary, clause, leave_out)
                if found is not None:
                    self._chosen[found.name] = found
                    pending.append(found)
        self._refuse_conflicts()

    def _named(self, name: str, asked_by: str) -> Binary:
        binary = self._packages.get(name)
        if binary is not None:
            return binary
        message = f"{asked_by} asks for the Debian package {name!r}, which the suite does not have"
        providers = [provider.name for provider, _ in self._packages.providers(name)]
        close = providers or difflib.get_close_matches(name, self._packages.names())
        hint = f"did you mean {', '.join(close[:5])}? " if close else ""
        raise LockError(message, hint=hint + _HINT)

    def _meet(self, binary: Binary, clause: Clause, leave_out: frozenset[str]) -> Binary | None:
        """The package to add so that `clause` is met; None where it is met already."""
        if any(relation.name in leave_out for relation in clause) or any(
            _is(chosen, relation) for relation in clause for chosen in self._chosen.values()
        ):
            return None
        for relation in clause:
            candidate = self._packages.get(relation.name)
            if candidate is not None and relation.met_by(candidate.version):
                return candidate
            providers = [
                provider
                for provider, version in self._packages.providers(relation.name)
                if relation.met_by(version)
            ]
            if any(provider.name in leave_out for provider in providers):
                return None
            if providers:
                return providers[0]
        alternatives = " | ".join(map(str, clause))
        raise LockError(
            f"the Debian package {binary.name} {binary.version.text} needs {alternatives}, "
            "which the suite does not have",
            hint="the mirror may be in the middle of an update: try again later",
        )

    def _refuse_conflicts(self) -> None:
        for binary in self.chosen:
            for clause in binary.conflicts:
                for other in self.chosen:
                    if other.name != binary.name and _is(other, clause[0]):
                        raise LockError(
                            f"the Debian packages {binary.name} and {other.name} conflict",
                            hint="keep one of them in [system] packages",
                        )


def _is(binary: Binary, relation: Relation) -> bool:
    if binary.name == relation.name:
        return relation.met_by(binary.version)
    return any(
        provided.name == relation.name and relation.met_by(provided.version)
        for provided in binary.provides
    )
