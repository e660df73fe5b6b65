"""Locking Debian packages: from a mirror's signed indexes to lists of debs."""

import hashlib
import lzma
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
from pysequoia import Cert

from shipmark.errors import DownloadFailed, LockError
from shipmark.lock import side_by_side
from shipmark.lock.atomic import replace
from shipmark.lock.debian.base import NOT_IN_BASE, SCRIPT_TOOLS
from shipmark.lock.debian.closure import Closure
from shipmark.lock.debian.packages import Packages
from shipmark.lock.debian.release import Release, read
from shipmark.lock.faults import Gone
from shipmark.lock.fetch import Downloads, Wanted
from shipmark.lock.lock import Deb
from shipmark.progress import Progress
from shipmark_serve.contract.records import Record

T = TypeVar("T")
R = TypeVar("R")

_REVISION = 1
"""Counted up when the same indexes would give another answer: old answers are then forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Packages to lock, with what they need."""

    base: tuple[str, ...]
    system: tuple[str, ...] = ()
    """What the package's author asks for beyond the base."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A suite of an archive, such as bookworm-updates."""

    archive: str
    suite: str
    release: Release

    def index(self, architecture: str, root: str) -> Wanted:
        path = f"main/binary-{architecture}/Packages.xz"
        if path not in self.release.files:
            raise LockError(f"the Debian suite {self.suite} has no packages for {architecture}")
        listed = self.release.files[path]
        by_hash = f"{path.rpartition('/')[0]}/by-hash/SHA256/{listed.sha256}"
        return Wanted(
            url=f"{root}/dists/{self.suite}/{by_hash if self.release.by_hash else path}",
            sha256=listed.sha256,
            size=listed.size,
            name=f"the index of {self.suite} ({architecture})",
        )


class _Kept(Record, frozen=True, kw_only=True):
    """An `InRelease` as it came, and what the server calls this state of it."""

    etag: str
    modified: str
    body: bytes


class Archive:
    """One suite with its updates and security updates, as the mirrors have it now.

    Args:
        suite: Code name.
        downloads: Where indexes are kept; their transport's sources name the mirrors.
        now: The current time, against which the indexes' validity is checked.
        keys: One of them must have signed each index.
        progress: Who watches.
    """

    def __init__(
        self,
        suite: str,
        *,
        downloads: Downloads,
        now: datetime,
        keys: Sequence[Cert],
        progress: Progress,
    ) -> None:
        self._suite = suite
        self._downloads = downloads
        self._transport = downloads.transport
        self._notes = self._transport.sources.cache / "debian"
        self._now = now
        self._keys = keys
        self._progress = progress

    def lock(
        self, architectures: Sequence[str], selections: Sequence[Selection]
    ) -> dict[str, list[tuple[Deb, ...]]]:
        """Lock each selection for each architecture.

        An answer is remembered by the digests of the signed indexes it came from.

        Raises:
            DownloadFailed: An index cannot be read, or is not Debian's.
            LockError: A package is not known, or a dependency cannot be met.
        """
        parts = self._parts()
        answers = self._each(lambda each: self._lock_one(parts, each, selections), architectures)
        return dict(zip(architectures, answers, strict=True))

    def _each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        cancelled = self._transport.cancelled
        return side_by_side.each(function, items, at_once=len(items), cancelled=cancelled)

    def _lock_one(
        self, parts: Sequence[_Part], architecture: str, selections: Sequence[Selection]
    ) -> list[tuple[Deb, ...]]:
        question = {
            "revision": _REVISION,
            "releases": [part.release.digest for part in parts],
            "architecture": architecture,
            "selections": [asdict(selection) for selection in selections],
            "left out": [sorted(NOT_IN_BASE), sorted(SCRIPT_TOOLS)],
        }
        key = hashlib.sha256(msgspec.json.encode(question)).hexdigest()
        note = self._notes / f"answer-{key}.json"
        try:
            return msgspec.json.decode(note.read_bytes(), type=list[tuple[Deb, ...]])
        except (OSError, msgspec.MsgspecError):
            packages = self._packages(parts, architecture)
            answer = [_select(packages, selection) for selection in selections]
            self._keep(note, msgspec.json.encode(answer))
            return answer

    def _parts(self) -> tuple[_Part, ...]:
        suites = (
            ("debian", self._suite),
            ("debian", f"{self._suite}-updates"),
            ("debian-security", f"{self._suite}-security"),
        )
        releases = self._each(lambda each: self._release(*each), suites)
        return tuple(
            _Part(archive, suite, release)
            for (archive, suite), release in zip(suites, releases, strict=True)
        )

    def _root(self, archive: str) -> str:
        return self._transport.sources.mirrors[archive].rstrip("/")

    def _release(self, archive: str, suite: str) -> Release:
        url = f"{self._root(archive)}/dists/{suite}/InRelease"
        note = self._notes / f"{quote(suite)}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        kept = _Kept(etag="", modified="", body=b"")
        with suppress(OSError, msgspec.MsgspecError):
            kept = msgspec.msgpack.decode(note.read_bytes(), type=_Kept)
        try:
            document = self._transport.document(url, etag=kept.etag, modified=kept.modified)
        except Gone as error:
            raise DownloadFailed(
                error.message,
                hint="SHIPMARK_DEBIAN_MIRROR and SHIPMARK_DEBIAN_SECURITY_MIRROR name an "
                "archive's root, such as https://deb.debian.org/debian and "
                "https://deb.debian.org/debian-security",
            ) from None
        if document.unchanged:
            return self._read(kept.body, suite, url)
        release = self._read(document.body, suite, document.url)
        if kept.body and (newer := self._newer(kept.body, suite, url, than=release)):
            return newer
        fresh = _Kept(etag=document.etag, modified=document.modified, body=document.body)
        self._keep(note, msgspec.msgpack.encode(fresh))
        return release

    def _newer(self, kept: bytes, suite: str, url: str, *, than: Release) -> Release | None:
        """What was kept, where the mirror fell back, or was made to, behind what it gave before."""
        try:
            release = self._read(kept, suite, url)
        except DownloadFailed:
            return None
        return release if release.date > than.date else None

    def _read(self, signed: bytes, suite: str, url: str) -> Release:
        return read(signed, suite=suite, url=url, now=self._now, keys=self._keys)

    def _keep(self, note: Path, data: bytes) -> None:
        cache = self._transport.sources.cache
        replace(note, data, beside=cache / "tmp" / note.name)

    def _packages(self, parts: Sequence[_Part], architecture: str) -> Packages:
        wanted = [
            (part.archive, part.index(architecture, self._root(part.archive))) for part in parts
        ]
        files = self._downloads.fetch_all(
            (each for _, each in wanted),
            progress=self._progress,
            label=f"Debian's index ({architecture})",
        )
        packages = Packages()
        for archive, each in wanted:
            packages.add(lzma.decompress(files[each.sha256].read_bytes()), archive=archive)
        return packages


def _select(packages: Packages, selection: Selection) -> tuple[Deb, ...]:
    closure = Closure(packages)
    closure.add(selection.base, leave_out=NOT_IN_BASE, asked_by="the base")
    if selection.system:
        closure.add(selection.system, leave_out=SCRIPT_TOOLS, asked_by="[system] packages")
    return tuple(
        Deb(
            name=binary.name,
            version=binary.version.text,
            architecture=binary.architecture,
            archive=binary.archive,
            path=binary.path,
            sha256=binary.sha256,
            size=binary.size,
        )
        for binary in closure.chosen
    )
