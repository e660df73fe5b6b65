"""Every error Shipmark raises on purpose, in one tree.

ShipmarkError(message, hint)        defined in shipmark_serve.contract.errors, shared by both sides
├── PackageError                    the author can fix it in the package
├── LockError                       the lock cannot be made or used
│   ├── Unresolvable                no set of versions fits, or a requirement has no wheel
│   └── LockOutdated                the package or the server changed since the lock was made
├── DigestMismatch                  bytes are not the bytes that were promised
├── DownloadFailed                  a mirror or index could not be read
├── BuildError                      the image cannot be assembled
├── DeployError                     the deployment cannot be made or changed
│   ├── TargetUnavailable           this host cannot run it (the message names the setting)
│   ├── RolloutFailed               it started and did not become ready
│   └── Unsupported                 this target has no such thing
├── ServeError                      defined in shipmark_serve.contract.errors
└── MissingExtra                    an optional library is not installed

A message says what was tried, what happened and where; the hint says what to do next.
A class exists only where a caller would act differently.
"""

from dataclasses import dataclass
from typing import Self

from shipmark_serve.contract.errors import MissingExtra, ServeError, ShipmarkError

__all__ = [
    "BuildError",
    "Complaint",
    "DeployError",
    "DigestMismatch",
    "DownloadFailed",
    "LockError",
    "LockOutdated",
    "MissingExtra",
    "PackageError",
    "RolloutFailed",
    "ServeError",
    "ShipmarkError",
    "TargetUnavailable",
    "Unresolvable",
    "Unsupported",
]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong with a package, or unwise.

    `place` is a file with its line or key (`model.py:12`, `shipmark.toml:3 [serve] workers`),
    `message` says what was found and what was expected, `mend` what to do.
    """

    place: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class PackageError(ShipmarkError):
    """The package is not right; its author can mend it.

    Args:
        message: What was tried, what happened, and where.
        hint: What to do next.
        complaints: Everything that one pass found; empty for a single plain message.
    """

    code = "package"

    def __init__(
        self, message: str, *, hint: str = "", complaints: tuple[Complaint, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.complaints = complaints

    @classmethod
    def of(cls, origin: str, complaints: tuple[Complaint, ...]) -> Self:
        """Make one error of all `complaints` about the package that the user calls `origin`."""
        if len(complaints) == 1:
            only = complaints[0]
            told = str(only) if only.place == origin else f"{origin}: {only}"
            return cls(told, hint=only.mend, complaints=complaints)
        lines = [f"{origin}: {len(complaints)} things to mend"]
        for each in complaints:
            lines.append(f"  {each}")
            if each.mend:
                lines.append(f"    -> {each.mend}")
        return cls("\n".join(lines), complaints=complaints)


class LockError(ShipmarkError):
    """The lock cannot be made, read or used."""

    code = "lock"


class Unresolvable(LockError):
    """No set of pinned files satisfies the requirements."""

    code = "unresolvable"


class LockOutdated(LockError):
    """The lock no longer describes the package or the server."""

    code = "lock-outdated"


class DigestMismatch(ShipmarkError):
    """Bytes differ from their promised digest.

    Args:
        subject: What was checked, as a person calls it.
        expected: The promised digest.
        actual: The digest of the bytes that came.
        hint: What to do next.
    """

    code = "digest-mismatch"

    def __init__(self, subject: str, *, expected: str, actual: str, hint: str = "") -> None:
        super().__init__(f"{subject} has digest {actual}, but {expected} was expected", hint=hint)
        self.subject = subject
        self.expected = expected
        self.actual = actual


class DownloadFailed(ShipmarkError):
    """A mirror, index or file could not be fetched."""

    code = "download"


class BuildError(ShipmarkError):
    """The image cannot be assembled."""

    code = "build"


class DeployError(ShipmarkError):
    """The deployment cannot be made, changed or found."""

    code = "deploy"


class TargetUnavailable(DeployError):
    """This host or engine cannot run the deployment."""

    code = "target-unavailable"


class RolloutFailed(DeployError):
    """The deployment started but did not become ready."""

    code = "rollout"


class Unsupported(DeployError):
    """The target has no such thing."""

    code = "unsupported"
