"""Digests of the two halves of a package, and the version they stand for."""

import hashlib
from collections.abc import Iterable

from shipmark.digest import Digest, hex_of
from shipmark.package.package import FileEntry, Version

SHORT_DIGITS = 12


def digest_of_files(entries: Iterable[FileEntry]) -> Digest:
    """Digest of paths, executable flags and contents, in any order of `entries`.

    A path holds no NUL and no newline, so the lines cannot be confused with one another.
    """
    state = hashlib.sha256()
    for entry in sorted(entries, key=lambda entry: entry.path):
        flag = "x" if entry.executable else "-"
        state.update(f"{entry.sha256} {flag} {entry.path}\n".encode())
    return Digest(f"sha256:{state.hexdigest()}")


def version_of(
    code: tuple[FileEntry, ...],
    weights: tuple[FileEntry, ...],
    *,
    code_version: str | None,
    weights_version: str | None,
) -> Version:
    """The version of a package; a half that was not named is called by its digest."""
    code_digest = digest_of_files(code)
    if not weights:
        return Version(
            code=code_version or _short(code_digest),
            code_digest=code_digest,
            weights=None,
            weights_digest=None,
        )
    weights_digest = digest_of_files(weights)
    return Version(
        code=code_version or _short(code_digest),
        code_digest=code_digest,
        weights=weights_version or _short(weights_digest),
        weights_digest=weights_digest,
    )


def _short(digest: Digest) -> str:
    return hex_of(digest)[:SHORT_DIGITS]
