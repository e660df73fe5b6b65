"""Package -> Lock: versions are chosen where they must be, and stay where they may."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.utils import canonicalize_name

from shipmark import digest as digests
from shipmark.errors import LockError
from shipmark.lock import parts, server_wheel, tags, text
from shipmark.lock.debian.archive import Archive, Selection
from shipmark.lock.debian.base import Suite, base_packages, build_packages
from shipmark.lock.debian.release import archive_keys
from shipmark.lock.debian.version import Version
from shipmark.lock.fetch import Downloads, Wanted
from shipmark.lock.locate import Places
from shipmark.lock.lock import Deb, Lock, PlatformLock, Wheel
from shipmark.lock.resolve import Aim, Pin, Server, resolve
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport
from shipmark.package.package import Package
from shipmark.progress import Progress
from shipmark.store import Store

ALL = "all"
"""In `upgrade`: everything."""

BASE = "base"
"""In `upgrade`: the Debian packages."""

BUILD_ARCHITECTURES = ("amd64", "arm64")
"""Hosts that `.pyc` can be compiled on."""

Debs = dict[str, tuple[Deb, ...]]
"""By platform or by architecture."""


def make_lock(
    package: Package,
    *,
    store: Store,
    sources: Sources,
    now: datetime,
    platforms: Sequence[str] = ("linux/amd64",),
    previous: Lock | None = None,
    upgrade: frozenset[str] = frozenset(),
    epoch: int | None = None,
    progress: Progress,
) -> Lock:
    """Lock a package.

    Debian packages stay as they were locked unless suite, system packages or platforms changed;
    wheels unless requirements, suite or platforms changed, and even then each version that still
    fits. Wheels are downloaded into the store on the way where their size is not known otherwise.

    Args:
        package: What to lock.
        store: Takes the server's wheel and what was downloaded.
        sources: Indexes and mirrors.
        now: The current time, against which the validity of Debian's indexes is checked.
        platforms: Such as `linux/amd64`.
        previous: The lock there was.
        upgrade: Names of Python packages, `base`, `shipmark-serve`, or `all`.
        epoch: Time of every file in the image, in seconds since 1970; None: as it was, or 1980.
        progress: Who watches.

    Raises:
        LockError: The package asks for what cannot be locked.
        Unresolvable: No set of versions fits, or a requirement has no wheel.
        DownloadFailed: An index or a file cannot be had.
        DigestMismatch: A file is not the one that was promised.
    """
    _refuse(package, platforms, previous, upgrade)
    server, data = server_wheel.build()
    store.put(data)
    with Transport(sources) as transport:
        task = _Task(
            suite=parts.suite(package),
            system=parts.system(package),
            requires=parts.requires(package),
            requirements=package.requirements,
            allowed=package.hashes,
            platforms=tuple(sorted(set(platforms))),
            previous=previous,
            upgrade=frozenset(upgrade),
            downloads=Downloads(sources.cache, transport),
            store=store,
            now=now,
            progress=progress,
        )
        debs, build_python = task.debs()
        exact = _exact_python(task.suite, debs)
        wheels = task.wheels(
            Server(filename=server.filename, data=data, requires=server_wheel.requirements()), exact
        )
    lock = Lock(
        model=parts.model(package, previous),
        env=parts.env(package),
        resources=parts.resources(package),
        suite=task.suite.name,
        python=task.suite.python,
        python_exact=exact,
        epoch=epoch if epoch is not None else previous.epoch if previous else parts.EPOCH,
        compressor=parts.compressor(),
        requires=task.requires,
        system=task.system,
        server=server,
        platforms={
            platform: PlatformLock(debs=debs[platform], wheels=wheels[platform])
            for platform in task.platforms
        },
        build_python=build_python,
        code=package.code,
        weights=package.weights,
    )
    same = previous is not None and text.digest(lock) == text.digest(previous)
    return previous if same and previous is not None else lock


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is to be locked, and with what."""

    suite: Suite
    system: tuple[str, ...]
    requires: tuple[str, ...]
    requirements: tuple[str, ...]
    allowed: Mapping[str, frozenset[str]]
    platforms: tuple[str, ...]
    previous: Lock | None
    upgrade: frozenset[str]
    downloads: Downloads
    store: Store
    now: datetime
    progress: Progress

    def debs(self) -> tuple[Debs, Debs]:
        """The base by platform, and the build Python by architecture."""
        stays = self._standing(upgraded=bool(self.upgrade & {ALL, BASE}))
        if stays is not None and stays.system == self.system:
            kept = {platform: stays.platforms[platform].debs for platform in self.platforms}
            return kept, stays.build_python
        archive = Archive(
            self.suite.name,
            downloads=self.downloads,
            now=self.now,
            keys=archive_keys(),
            progress=self.progress,
        )
        selections = [
            Selection(base=base_packages(self.suite.python), system=self.system),
            Selection(base=build_packages(self.suite.python)),
        ]
        locked = archive.lock(BUILD_ARCHITECTURES, selections)
        base = {platform: locked[platform.removeprefix("linux/")][0] for platform in self.platforms}
        return base, {architecture: answer[1] for architecture, answer in locked.items()}

    def wheels(self, server: Server, exact: str) -> dict[str, tuple[Wheel, ...]]:
        """The wheels by platform, without the server's."""
        names = {canonicalize_name(name) for name in self.upgrade - {ALL, BASE, server_wheel.NAME}}
        stays = self._standing(upgraded=ALL in self.upgrade or bool(names))
        if stays is not None and stays.requires == self.requires:
            kept = {platform: stays.platforms[platform].wheels for platform in self.platforms}
            every = (wheel for wheels in kept.values() for wheel in wheels)
            if all(wheel.sha256 in self.allowed.get(wheel.name, {wheel.sha256}) for wheel in every):
                return kept
        chosen: dict[str, tuple[Pin, ...]] = {}
        prefer: dict[str, str] = {}
        if self.previous is not None and ALL not in self.upgrade:
            prefer = {
                wheel.name: wheel.version
                for locked in self.previous.platforms.values()
                for wheel in locked.wheels
                if wheel.name not in names
            }
        for platform in self.platforms:
            with self.store.scratch() as scratch:
                chosen[platform] = resolve(
                    self.requirements,
                    server,
                    Aim(suite=self.suite, python_exact=exact, platform=platform),
                    prefer=prefer,
                    allowed=self.allowed,
                    sources=self.downloads.transport.sources,
                    scratch=scratch,
                )
            # The platforms share versions wherever each has a wheel of them.
            prefer |= {pin.name: pin.version for pin in chosen[platform]}
        sizes = self._sizes({pin.sha256: pin for pins in chosen.values() for pin in pins})
        return {
            platform: tuple(
                Wheel(
                    name=pin.name,
                    version=pin.version,
                    filename=pin.filename,
                    sha256=pin.sha256,
                    size=sizes[pin.sha256],
                )
                for pin in sorted(pins, key=lambda pin: pin.name)
            )
            for platform, pins in chosen.items()
        }

    def _standing(self, upgraded: bool) -> Lock | None:
        """The previous lock, where its suite and platforms are still those asked for."""
        if self.previous is None or upgraded or self.previous.suite != self.suite.name:
            return None
        return self.previous if set(self.platforms) <= set(self.previous.platforms) else None

    def _sizes(self, pins: Mapping[str, Pin]) -> dict[str, int]:
        """Sizes in bytes by sha256; where an index does not say, the wheel is downloaded."""
        places = Places(self.downloads.transport.sources.cache)
        for pin in pins.values():
            places.remember(pin.sha256, pin.url)
        sizes = {pin.sha256: pin.size for pin in pins.values() if pin.size is not None}
        for sha256 in pins.keys() - sizes.keys():
            blob = digests.from_hex(sha256)
            if self.store.has(blob):
                sizes[sha256] = self.store.size(blob)
        unsaid = [pin for pin in pins.values() if pin.sha256 not in sizes]
        files = self.downloads.fetch_all(
            [Wanted(url=pin.url, sha256=pin.sha256, name=pin.filename) for pin in unsaid],
            progress=self.progress,
            label="wheels",
        )
        for sha256, path in files.items():
            sizes[sha256] = self.store.size(self.store.adopt(path, digests.from_hex(sha256)))
        return sizes


def _refuse(
    package: Package, platforms: Sequence[str], previous: Lock | None, upgrade: frozenset[str]
) -> None:
    if package.config.image.base is not None:
        raise LockError(
            f"{package.origin}: [image] base = {package.config.image.base!r}: a base image from a "
            "registry is not supported yet",
            hint='leave it out, and name a Debian suite: [image] suite = "bookworm"',
        )
    for platform in platforms:
        tags.machine(platform)
    if previous is None:
        return
    known = {wheel.name for locked in previous.platforms.values() for wheel in locked.wheels}
    known |= {ALL, BASE, server_wheel.NAME}
    for name in sorted(upgrade):
        if canonicalize_name(name) not in known:
            close = difflib.get_close_matches(name, sorted(known), n=3)
            raise LockError(
                f"--upgrade {name}: the lock has nothing of that name",
                hint=f"did you mean {' or '.join(close)}?" if close else "the lock lists its names",
            )


def _exact_python(suite: Suite, debs: Debs) -> str:
    name = f"python{suite.python}-minimal"
    every = (deb for locked in debs.values() for deb in locked)
    return next(Version(deb.version).upstream for deb in every if deb.name == name)
