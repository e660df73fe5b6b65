"""Package -> Lock: versions are chosen where they must be, and stay where they may."""

import difflib
from collections.abc import Sequence
from datetime import datetime

from packaging.utils import canonicalize_name

from shipmark.errors import LockError
from shipmark.lock import parts, server_wheel, tags, text
from shipmark.lock.choose import ALL, BASE, Choice, exact_python
from shipmark.lock.fetch import Downloads
from shipmark.lock.lock import Lock, PlatformLock
from shipmark.lock.resolve import Server
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport
from shipmark.package.package import Package
from shipmark.progress import Progress
from shipmark.store import Store


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

    Debian packages stay as they were locked unless suite or system packages changed; wheels unless
    requirements or suite changed, and even then each version that still fits. Another platform
    leaves those that are locked alone. Wheels are downloaded into the store on the way where their
    size is not known otherwise.

    Args:
        package: What to lock.
        store: Takes the server's wheel and what was downloaded.
        sources: Indexes and mirrors.
        now: The current time, against which the validity of Debian's indexes is checked.
        platforms: All that the lock shall hold, such as `linux/amd64`.
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
        choice = Choice(
            suite=parts.suite(package),
            system=parts.system(package),
            requires=parts.requires(package),
            requirements=package.requirements,
            allowed=package.hashes,
            platforms=tuple(sorted(set(platforms))),
            previous=previous,
            upgrade=upgrade,
            downloads=Downloads(sources.cache, transport),
            store=store,
            now=now,
            progress=progress,
        )
        debs, build_python = choice.debs()
        exact = exact_python(choice.suite, debs)
        wheels = choice.wheels(
            Server(filename=server.filename, data=data, requires=server_wheel.requirements()), exact
        )
    lock = Lock(
        model=parts.model(package, previous),
        env=parts.env(package),
        resources=parts.resources(package),
        suite=choice.suite.name,
        python=choice.suite.python,
        python_exact=exact,
        epoch=epoch if epoch is not None else previous.epoch if previous else parts.EPOCH,
        compressor=parts.compressor(),
        requires=choice.requires,
        system=choice.system,
        server=server,
        platforms={
            platform: PlatformLock(debs=debs[platform], wheels=wheels[platform])
            for platform in choice.platforms
        },
        build_python=build_python,
        code=package.code,
        weights=package.weights,
    )
    same = previous is not None and text.digest(lock) == text.digest(previous)
    return previous if same and previous is not None else lock


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
