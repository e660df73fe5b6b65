"""Which debs and wheels a lock gets: those it had stay where they may, others are chosen anew."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.utils import canonicalize_name

from shipmark import digest as digests
from shipmark.lock import server_wheel
from shipmark.lock.debian.archive import Archive, Selection
from shipmark.lock.debian.base import Suite, base_packages, build_packages
from shipmark.lock.debian.release import archive_keys
from shipmark.lock.debian.version import Version
from shipmark.lock.fetch import Downloads, Wanted
from shipmark.lock.locate import Places
from shipmark.lock.lock import Deb, Lock, Wheel
from shipmark.lock.resolve import Aim, Pin, Server, resolve
from shipmark.progress import Progress
from shipmark.store import Store

ALL = "all"
"""In `upgrade`: everything."""

BASE = "base"
"""In `upgrade`: the Debian packages."""

BUILD_ARCHITECTURES = ("amd64", "arm64")
"""Hosts that `.pyc` can be compiled on."""

_REBUILT = re.compile(r"\+b\d+$")
"""At the end of a Debian version: rebuilt for one architecture from the same source."""

Debs = dict[str, tuple[Deb, ...]]
"""By platform or by architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
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

    # -- Debian --------------------------------------------------------------------------

    def debs(self) -> tuple[Debs, Debs]:
        """The base by platform, and the build Python by architecture.

        A platform that was locked keeps its packages when another one is added, unless Debian's
        Python moved on meanwhile: a lock has one.
        """
        stays = self._standing(upgraded=bool(self.upgrade & {ALL, BASE}))
        if stays is None or stays.system != self.system:
            return self._from_mirrors(self.platforms, BUILD_ARCHITECTURES)
        kept = {name: stays.platforms[name].debs for name in self._locked_before()}
        added = [platform for platform in self.platforms if platform not in kept]
        if not added:
            return kept, stays.build_python
        come, _ = self._from_mirrors(added, sorted(map(_architecture, added)))
        if (exact := exact_python(self.suite, come)) != stays.python_exact:
            self.progress.note(
                f"Debian {self.suite.name} has Python {exact} now, and an image for "
                f"{' and '.join(added)} with {stays.python_exact} can no longer be had: the Debian "
                f"packages of {' and '.join(kept)} are locked anew as well"
            )
            return self._from_mirrors(self.platforms, BUILD_ARCHITECTURES)
        self._tell_differences(
            {platform: {deb.name: _source(deb) for deb in debs} for platform, debs in kept.items()},
            {platform: {deb.name: _source(deb) for deb in debs} for platform, debs in come.items()},
            "mirrors keep only current versions; one for all: shipmark lock --upgrade base",
        )
        return kept | come, stays.build_python

    def _from_mirrors(
        self, platforms: Iterable[str], architectures: Sequence[str]
    ) -> tuple[Debs, Debs]:
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
        locked = archive.lock(architectures, selections)
        base = {platform: locked[_architecture(platform)][0] for platform in platforms}
        return base, {architecture: answer[1] for architecture, answer in locked.items()}

    # -- wheels --------------------------------------------------------------------------

    def wheels(self, server: Server, exact: str) -> dict[str, tuple[Wheel, ...]]:
        """The wheels by platform, without the server's."""
        kept = self._kept_wheels()
        known = {
            platform: {wheel.name: wheel.version for wheel in wheels}
            for platform, wheels in (kept or self._preferred_wheels()).items()
        }
        chosen: dict[str, tuple[Pin, ...]] = {}
        for platform in self.platforms:
            if platform in kept:
                continue
            with self.store.scratch() as scratch:
                chosen[platform] = resolve(
                    self.requirements,
                    server,
                    Aim(suite=self.suite, python_exact=exact, platform=platform),
                    prefer=_merged(known, platform),
                    allowed=self.allowed,
                    sources=self.downloads.transport.sources,
                    scratch=scratch,
                )
            # The platforms share versions wherever each has a wheel of them.
            known[platform] = {pin.name: pin.version for pin in chosen[platform]}
        self._tell_differences(
            {platform: known[platform] for platform in kept},
            {platform: known[platform] for platform in chosen},
            "no version has a wheel for both",
        )
        sizes = self._sizes({pin.sha256: pin for pins in chosen.values() for pin in pins})
        return kept | {
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

    def _kept_wheels(self) -> dict[str, tuple[Wheel, ...]]:
        """Those of the platforms whose wheels stay as they are."""
        stays = self._standing(upgraded=ALL in self.upgrade or bool(self._upgraded_names()))
        if stays is None or stays.requires != self.requires:
            return {}
        kept = {platform: stays.platforms[platform].wheels for platform in self._locked_before()}
        every = (wheel for wheels in kept.values() for wheel in wheels)
        allowed = all(
            wheel.sha256 in self.allowed.get(wheel.name, {wheel.sha256}) for wheel in every
        )
        return kept if allowed else {}

    def _preferred_wheels(self) -> dict[str, tuple[Wheel, ...]]:
        """Those that were locked and are not to be upgraded, by platform."""
        if self.previous is None or ALL in self.upgrade:
            return {}
        names = self._upgraded_names()
        return {
            platform: tuple(wheel for wheel in locked.wheels if wheel.name not in names)
            for platform, locked in self.previous.platforms.items()
        }

    def _upgraded_names(self) -> set[str]:
        return {canonicalize_name(name) for name in self.upgrade - {ALL, BASE, server_wheel.NAME}}

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

    # -- both ----------------------------------------------------------------------------

    def _standing(self, *, upgraded: bool) -> Lock | None:
        """The previous lock, where its suite is still the one asked for."""
        if self.previous is None or upgraded or self.previous.suite != self.suite.name:
            return None
        return self.previous

    def _locked_before(self) -> Iterator[str]:
        before = self.previous.platforms if self.previous else {}
        return (platform for platform in self.platforms if platform in before)

    def _tell_differences(
        self,
        kept: Mapping[str, Mapping[str, str]],
        come: Mapping[str, Mapping[str, str]],
        reason: str,
    ) -> None:
        """Note where a platform got other versions than those before it."""
        told = dict(kept)
        for platform, versions in come.items():
            for other, theirs in told.items():
                differing = ", ".join(
                    f"{name} {version} ({theirs[name]})"
                    for name, version in versions.items()
                    if theirs.get(name, version) != version
                )
                if differing:
                    self.progress.note(
                        f"{platform} gets other versions than {other}: {differing}; {reason}"
                    )
            told[platform] = versions


def exact_python(suite: Suite, debs: Debs) -> str:
    """The upstream version of the Python among the debs."""
    name = f"python{suite.python}-minimal"
    every = (deb for locked in debs.values() for deb in locked)
    return next(Version(deb.version).upstream for deb in every if deb.name == name)


def _merged(known: Mapping[str, Mapping[str, str]], platform: str) -> dict[str, str]:
    """Name -> version to prefer: the platform's own first.

    Of another platform's version the local part, such as `+cpu`, is nobody else's business.
    """
    others = {
        name: version.partition("+")[0]
        for versions in known.values()
        for name, version in versions.items()
    }
    return others | dict(known.get(platform, {}))


def _architecture(platform: str) -> str:
    return platform.removeprefix("linux/")


def _source(deb: Deb) -> str:
    return _REBUILT.sub("", deb.version)
