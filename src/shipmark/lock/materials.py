"""Everything a lock names, as blobs in the store: debs, wheels, the server and the build Python."""

import platform as host
from collections.abc import Sequence

from shipmark import digest as digests
from shipmark.errors import LockError, LockOutdated
from shipmark.lock import server_wheel
from shipmark.lock.lock import Deb, Lock, Wheel
from shipmark.lock.sources import Sources
from shipmark.progress import Progress
from shipmark.store import Store

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


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
    debs = [deb for deb in debs if not _has(store, deb)]
    wheels = [wheel for wheel in wheels if not _has(store, wheel)]
    if debs or wheels:
        # 0.03 s; a build with everything at hand does without.
        from shipmark.lock.download import download  # noqa: PLC0415 - as said above

        download(debs, wheels, store=store, sources=sources, progress=progress)


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
