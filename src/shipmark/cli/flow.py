"""The way from a path to a lock and an image, shared by the verbs that go it."""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from shipmark import package as packages
from shipmark.builders import Built, assemble
from shipmark.builders.build_python import host_architecture
from shipmark.builders.layers import REVISION
from shipmark.cli.home import Home, home
from shipmark.cli.platforms import host_platform
from shipmark.cli.sources import sources_from_host
from shipmark.errors import DigestMismatch, LockError, LockOutdated, PackageError
from shipmark.lock import Lock, materials, outdated, text
from shipmark.lock.lock import Expected
from shipmark.lock.sources import Sources
from shipmark.package import Package
from shipmark.progress import Progress
from shipmark.store import Store
from shipmark.store.file_hashes import FileHashes
from shipmark.store.store import ImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """What the flow needs of this host."""

    home: Home
    store: Store
    sources: Sources
    progress: Progress


@contextmanager
def yard(progress: Progress) -> Iterator[Yard]:
    """Be at work with this user's store and this host's sources: gc waits until the end."""
    place = home()
    store = Store(place.store)
    sources = sources_from_host(cache=place.cache)
    with store.in_use(progress):
        yield Yard(home=place, store=store, sources=sources, progress=progress)


@contextmanager
def opened(path: str, name: str | None = None) -> Iterator[Package]:
    """Read the package at `path`; `-` is a zip on standard input."""
    if path == "-":
        package = packages.read(None, stdin=sys.stdin.buffer, name=name)
    else:
        hashes = FileHashes(Store(home().store))
        package = packages.read(Path(path), name=name, hashes=hashes)
    try:
        yield package
    finally:
        package.source.close()


def lock_package(
    package: Package,
    yard: Yard,
    *,
    platforms: tuple[str, ...] = (),
    upgrade: Collection[str] = (),
    locked: bool = False,
) -> Lock:
    """The package's lock: taken up as it stands, refreshed, or resolved anew, and written.

    Code, weights and settings are taken from the package each time; versions are resolved anew
    only where the requirements or the server changed, for a platform that is new to it, or on
    `upgrade`.

    Args:
        package: What to lock.
        yard: This host.
        platforms: What the lock must hold; the platforms it holds besides stay in it. None: those
            it holds, or this host's.
        upgrade: What to resolve anew, as `make_lock` has it.
        locked: Take it as it stands, or refuse it.

    Raises:
        LockError: `locked` was asked for, and the lock does not hold one of the platforms.
        LockOutdated: `locked` was asked for, and the lock is missing or says something else.
    """
    path = Path(package.lock_path) if package.lock_path else None
    previous = text.read(path) if path is not None and path.exists() else None
    if locked:
        return _locked(package, previous, path, platforms)
    if (
        previous is not None
        and not upgrade
        and not outdated.needs_resolution(previous, package, platforms)
    ):
        lock = outdated.refresh(previous, package)
    else:
        yard.progress.step(f"locking {package.name} {package.version}")
        from shipmark.lock.make import make_lock  # noqa: PLC0415 - 0.01 s, and seldom needed

        lock = make_lock(
            package,
            store=yard.store,
            sources=yard.sources,
            now=datetime.now(UTC),
            platforms=_all_platforms(platforms, previous),
            previous=previous,
            upgrade=frozenset(upgrade),
            epoch=_epoch(),
            progress=yard.progress,
        )
    if path is not None and lock != previous:
        text.write(path, lock)
    return lock


def _all_platforms(named: tuple[str, ...], previous: Lock | None) -> tuple[str, ...]:
    if previous is not None:
        return (*previous.platforms, *named)
    return named or (host_platform(),)


def _locked(
    package: Package, previous: Lock | None, path: Path | None, platforms: tuple[str, ...]
) -> Lock:
    if previous is None:
        raise LockOutdated(
            f"{package.origin} has no lock ({path or 'standard input keeps none'})",
            hint=f"make one: shipmark lock {package.origin}",
        )
    if changes := outdated.changes(previous, package):
        listed = "\n".join(f"  - {change}" for change in changes)
        raise LockOutdated(
            f"the lock {path} does not describe {package.origin} any more:\n{listed}",
            hint=f"look at the changes, then: shipmark lock {package.origin}",
        )
    for platform in platforms:
        if platform not in previous.platforms:
            raise LockError(
                f"the lock {path} is for {' and '.join(sorted(previous.platforms))}, "
                f"not for {platform}",
                hint=f"lock it as well: shipmark lock {package.origin} --platform {platform}",
            )
    return previous


def build_image(
    package: Package, lock: Lock, yard: Yard, *, platforms: tuple[str, ...] = ()
) -> tuple[Built, Lock]:
    """Build platforms of the lock, and write the digests they gave into the lock.

    Args:
        package: What the lock describes.
        lock: As `lock_package` gave it.
        yard: This host.
        platforms: Which to build; none named: all of the lock's.

    Raises:
        BuildError: The materials do not make an image, or this host cannot build it.
        DigestMismatch: The lock expects other digests from these very inputs.
    """
    platforms = tuple(sorted(platforms)) or tuple(lock.platforms)
    if lock.build_python:
        # Said before anything is downloaded.
        host_architecture(lock)
    materials.obtain(
        lock, platforms, store=yard.store, sources=yard.sources, progress=yard.progress
    )
    yard.progress.step(f"building {lock.model.name} {package.version}")
    built = assemble(
        lock, package.source, store=yard.store, platforms=platforms, progress=yard.progress
    )
    gave = {
        platform: Expected(manifest=image.manifest, config=image.config, revision=REVISION)
        for platform, image in built.images.items()
    }
    for platform, promised in lock.expected.items():
        if promised.revision != REVISION or platform not in gave:
            continue
        if gave[platform].config != promised.config:
            raise DigestMismatch(
                f"the {platform} image of {package.origin}, built from an unchanged lock,",
                expected=promised.config,
                actual=gave[platform].config,
                hint="something that the lock does not name shaped the bytes; please report it",
            )
    if (expected := lock.expected | gave) != lock.expected:
        lock = msgspec.structs.replace(lock, expected=expected)
        if package.lock_path is not None:
            text.write(Path(package.lock_path), lock)
    yard.store.tag(
        ImageRecord(
            name=lock.model.name,
            version=str(package.version),
            index=built.index,
            materials=built.materials,
        )
    )
    return built, lock


def _epoch() -> int | None:
    value = os.environ.get("SOURCE_DATE_EPOCH")
    if value is None:
        return None
    if not value.isdecimal():
        raise PackageError(
            f"SOURCE_DATE_EPOCH is {value!r}",
            hint="set it to seconds since 1970-01-01, or unset it",
        )
    return int(value)
