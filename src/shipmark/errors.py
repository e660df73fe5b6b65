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

from shipmark_serve.contract.errors import MissingExtra, ServeError, ShipmarkError

__all__ = [
    "BuildError",
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


class PackageError(ShipmarkError):
    """The package is not right; its author can mend it."""

    code = "package"


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
