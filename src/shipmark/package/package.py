"""A package: what its author handed over, read and checked but never executed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from shipmark.digest import Digest
from shipmark.errors import Complaint
from shipmark.package.config import Config
from shipmark_serve.contract.model import Model
from shipmark_serve.contract.records import Record


class FileEntry(Record, frozen=True, kw_only=True):
    """One file of the package.

    `path` is relative to the package's root, with forward slashes, NFC-normalised.
    """

    path: str
    sha256: str
    """64 lower-case hexadecimal digits."""
    size: int
    executable: bool = False


class Source(Protocol):
    """Where the files of a package are read from: a directory, one file, or a zip."""

    def open(self, path: str) -> BinaryIO:
        """Open one of the package's files for reading.

        Raises:
            PackageError: The file is gone or cannot be read.
        """

    def close(self) -> None:
        """Let go of open files and temporary ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Code version + weights version, and the digest of each half.

    A half without a version of its own is called by the first 12 hex digits of its digest.
    """

    code: str
    code_digest: Digest
    weights: str | None
    weights_digest: Digest | None

    def __str__(self) -> str:
        return self.code if self.weights is None else f"{self.code}-w{self.weights}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package as read; `config` has every default filled in."""

    name: str
    name_chosen: bool = True
    """Somebody gave the name; otherwise it is that of the file or directory."""
    version: Version
    config: Config
    model: Model
    """What the server will be told."""
    code: tuple[FileEntry, ...]
    weights: tuple[FileEntry, ...]
    requirements: tuple[str, ...]
    """PEP 508 lines, the runtime's own included (scikit-learn at the version of the file)."""
    source: Source
    origin: str
    """How the user called it, for messages: a path, or `standard input`."""
    lock_path: str | None
    """Where its lock lies; None for standard input."""
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Normalised project name -> the sha256 digits that the author allows for its wheels.

    From `--hash` in `requirements.txt` or from `pylock.toml`; other projects may have any.
    """
    notes: tuple[Complaint, ...] = ()
    """What is allowed but unwise."""
