"""Everything a lock names, as blobs in the store: debs, wheels, the server and the build Python."""

import platform as host
from collections.abc import Sequence
from pathlib import Path

from shipmark import digest as digests
from shipmark.errors import DigestMismatch, LockError, LockOutdated
from shipmark.lock import server_wheel, side_by_side
from shipmark.lock.fetch import AT_ONCE, Downloads, Wanted
from shipmark.lock.locate import Places, locate
from shipmark.lock.lock import Deb, Lock, Wheel
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport
from shipmark.progress import Progress
from shipmark.store import Store

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

_DEB_IF_GONE = (
    "a mirror keeps only current versions: lock again with --upgrade base, or name one that keeps "
    "all, as SHIPMARK_DEBIAN_MIRROR=https://snapshot.debian.org/archive/debian/<YYYYMMDD>T000000Z"
)


def host_architecture() -> str | None:
    """Debian's name of this host's architecture; None where no build Python can run."""
    return _ARCHITECTURES.get(host.machine().lower()) if host.system() == "Linux" else None


def obtain(
    lock: Lock,
    platforms: Sequence[str],
    *,
    store: Store,
    sources: Sources,
    progress: Progress,
) -> None:
    """Put whatever the build of `platforms` on this host needs into the store, by hash.

    What is in the store already needs no network; with all of it there, none is touched.

    Raises:
        LockError: The lock knows nothing of a platform.
        LockOutdated: The lock names another server than comes with this Shipmark.
        DigestMismatch: A source gives other bytes than were locked.
        DownloadFailed: Something cannot be had.
    """
    for platform in platforms:
        if platform not in lock.platforms:
            raise LockError(
                f"the lock has no {platform}; it has {', '.join(sorted(lock.platforms))}",
                hint=f"lock it as well: shipmark lock --platform {platform}",
            )
    _obtain_server(lock.server, store)
    debs = [deb for platform in platforms for deb in lock.platforms[platform].debs]
    if (architecture := host_architecture()) in lock.build_python:
        debs += lock.build_python[architecture]
    wheels = [wheel for platform in platforms for wheel in lock.platforms[platform].wheels]
    obtain_files(
        [deb for deb in debs if not _has(store, deb)],
        [wheel for wheel in wheels if not _has(store, wheel)],
        store=store,
        sources=sources,
        progress=progress,
    )


def obtain_files(
    debs: Sequence[Deb],
    wheels: Sequence[Wheel],
    *,
    store: Store,
    sources: Sources,
    progress: Progress,
) -> None:
    """Download debs and wheels and put them into the store; raises as `obtain`."""
    if not debs and not wheels:
        return
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


def _obtain_server(wanted: Wheel, store: Store) -> None:
    if _has(store, wanted):
        return
    built, data = server_wheel.build()
    if built.sha256 != wanted.sha256:
        raise LockOutdated(
            f"the lock names shipmark-serve {wanted.version} (sha256:{wanted.sha256}), but this "
            f"Shipmark brings {built.version} (sha256:{built.sha256})",
            hint="take the new one: shipmark lock --upgrade shipmark-serve",
        )
    store.put(data)


def _has(store: Store, file: Deb | Wheel) -> bool:
    return store.has(digests.from_hex(file.sha256))
