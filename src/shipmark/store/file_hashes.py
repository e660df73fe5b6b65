"""The SHA-256 of large files that were hashed before, such as weights.

A file is the same if its place, inode, size and both of its times are. A file that was changed so
shortly before it was hashed that a further change could carry the same time is hashed again.
Source: Git, "Racy Git".
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.errors import ShipmarkError
from shipmark.store.store import Store
from shipmark_serve.contract.records import Record

KIND = "file"
SMALL_BYTES = 1 << 20
"""A smaller file is hashed as quickly as looked up."""

_RACY_NS = 2 * 10**9
"""The coarsest clock of a file system: FAT's."""


class _Hashed(Record, frozen=True, kw_only=True):
    path: bytes
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    sha256: str = ""


class FileHashes:
    """Remembers hashes in the cache of `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def recall(self, place: Path, status: os.stat_result) -> str | None:
        """The hexadecimal digits, where the file was hashed before and is the same.

        Args:
            place: The absolute path of the file.
            status: Of the file, taken when it was opened.
        """
        if status.st_size < SMALL_BYTES:
            return None
        dated = self._store.recall_dated(KIND, _key(place))
        if dated is None:
            return None
        data, made_ns = dated
        hashed = _decoded(data)
        if hashed is None or hashed != _entry(place, status, hashed.sha256):
            return None
        is_racy = made_ns - max(hashed.modified_ns, hashed.changed_ns) < _RACY_NS
        return None if is_racy else hashed.sha256

    def remember(self, place: Path, status: os.stat_result, sha256: str) -> None:
        """Remember the hash of a file that was `status` before it was read and afterwards."""
        if status.st_size < SMALL_BYTES:
            return
        data = msgspec.json.encode(_entry(place, status, sha256))
        with suppress(ShipmarkError):  # it is hashed again then
            self._store.remember(KIND, _key(place), data, blobs=())


def is_stale(data: bytes) -> bool:
    """Whether a remembered hash is of no more use, because its file is gone or changed."""
    hashed = _decoded(data)
    if hashed is None:
        return True
    place = Path(os.fsdecode(hashed.path))
    try:
        return hashed != _entry(place, place.stat(), hashed.sha256)
    except OSError:
        return True


def _entry(place: Path, status: os.stat_result, sha256: str) -> _Hashed:
    return _Hashed(
        path=bytes(place),
        inode=status.st_ino,
        size=status.st_size,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
        sha256=sha256,
    )


def _key(place: Path) -> Digest:
    return digests.of_bytes(bytes(place))


def _decoded(data: bytes) -> _Hashed | None:
    try:
        return msgspec.json.decode(data, type=_Hashed)
    except msgspec.DecodeError:
        return None
