"""Debs and wheels from mirrors and indexes, by way of the download cache, into a store."""

from collections.abc import Sequence
from pathlib import Path

from shipmark import digest as digests
from shipmark.errors import DigestMismatch
from shipmark.lock import side_by_side
from shipmark.lock.fetch import AT_ONCE, Downloads, Wanted
from shipmark.lock.locate import Places, locate
from shipmark.lock.lock import Deb, Wheel
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport
from shipmark.progress import Progress
from shipmark.store import Store

_DEB_IF_GONE = (
    "a mirror keeps only current versions: lock again with --upgrade base, or name one that keeps "
    "all, as SHIPMARK_DEBIAN_MIRROR=https://snapshot.debian.org/archive/debian/<YYYYMMDD>T000000Z"
)


def download(
    debs: Sequence[Deb],
    wheels: Sequence[Wheel],
    *,
    store: Store,
    sources: Sources,
    progress: Progress,
) -> None:
    """Put debs and wheels into the store, by hash.

    Raises:
        DigestMismatch: A source gives other bytes than were locked.
        DownloadFailed: Something cannot be had.
    """
    places = Places(sources.cache)
    with Transport(sources) as transport:
        downloads = Downloads(sources.cache, transport)
        from_mirror = [_from_mirror(deb, sources) for deb in debs]
        files = _fetch(from_mirror, wheels, downloads, places, progress)
        damaged = {sha256 for sha256, path in files.items() if not _adopt(store, sha256, path)}
        again = _fetch(
            [wanted for wanted in from_mirror if wanted.sha256 in damaged],
            [wheel for wheel in wheels if wheel.sha256 in damaged],
            downloads,
            places,
            progress,
        )
        for sha256, path in again.items():
            store.adopt(path, digests.from_hex(sha256))


def _adopt(store: Store, sha256: str, path: Path) -> bool:
    """Take a download into the store; one that was damaged since is dropped."""
    try:
        store.adopt(path, digests.from_hex(sha256))
    except DigestMismatch:
        path.unlink(missing_ok=True)
        return False
    return True


def _fetch(
    debs: Sequence[Wanted],
    wheels: Sequence[Wheel],
    downloads: Downloads,
    places: Places,
    progress: Progress,
) -> dict[str, Path]:
    at_hand = {
        wheel.sha256: path for wheel in wheels if (path := downloads.path(wheel.sha256)).exists()
    }
    transport = downloads.transport
    located = side_by_side.each(
        lambda wheel: locate(wheel, transport, places),
        [wheel for wheel in wheels if wheel.sha256 not in at_hand],
        at_once=AT_ONCE,
        cancelled=transport.cancelled,
    )
    return at_hand | downloads.fetch_all([*debs, *located], progress=progress, label="downloading")


def _from_mirror(deb: Deb, sources: Sources) -> Wanted:
    return Wanted(
        url=f"{sources.mirrors[deb.archive].rstrip('/')}/{deb.path}",
        sha256=deb.sha256,
        size=deb.size,
        name=f"the Debian package {deb.name} {deb.version}",
        if_gone=_DEB_IF_GONE,
    )
