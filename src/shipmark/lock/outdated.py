"""Lock against package: what changed since the lock was made, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shipmark.lock import parts, server_wheel
from shipmark.lock.lock import Lock
from shipmark.package.package import FileEntry, Package


def changes(lock: Lock, package: Package) -> list[str]:
    """Everything in which the package, or this Shipmark, differs from the lock; empty: nothing."""
    return [*_resolved(lock, package), *_taken_over(lock, package)]


def needs_resolution(lock: Lock, package: Package, platforms: Sequence[str] | None = None) -> bool:
    """Whether versions must be resolved anew; otherwise `refresh` is enough.

    Args:
        lock: The lock there is.
        package: What it should describe.
        platforms: What it should hold at least; None: what it does.
    """
    if not set(platforms or ()) <= set(lock.platforms):
        return True
    return any(True for _ in _resolved(lock, package))


def refresh(lock: Lock, package: Package) -> Lock:
    """Take over code, weights and settings; every version stays.

    What a build gave is forgotten when anything changed.
    """
    fresh = msgspec.structs.replace(
        lock,
        model=parts.model(package, lock),
        env=parts.env(package),
        resources=parts.resources(package),
        code=package.code,
        weights=package.weights,
        expected={},
    )
    return lock if fresh == msgspec.structs.replace(lock, expected={}) else fresh


def _resolved(lock: Lock, package: Package) -> Iterator[str]:
    """Differences that need versions, or the server, to be chosen anew."""
    server, _ = server_wheel.build()
    yield from _requirements(lock.requires, parts.requires(package))
    for platform, locked in lock.platforms.items():
        for wheel in locked.wheels:
            if wheel.sha256 not in package.hashes.get(wheel.name, {wheel.sha256}):
                yield f"the package's hashes no longer allow {wheel.filename} ({platform})"
    if server != lock.server:
        yield (
            f"the server changed: shipmark-serve {lock.server.version} "
            f"(sha256:{lock.server.sha256[:12]}...) -> {server.version} "
            f"(sha256:{server.sha256[:12]}...)"
        )
    suite = parts.suite(package)
    yield from _value("[image] suite", lock.suite, suite.name)
    yield from _value("[image] base", lock.base, package.config.image.base)
    yield from _value("[python] version", lock.python, suite.python)
    yield from _sets("Debian package", lock.system, parts.system(package))
    compressor = parts.compressor()
    if compressor != lock.compressor:
        yield (
            f"the compressor changed: {lock.compressor.name} {lock.compressor.version} "
            f"(level {lock.compressor.level}) -> {compressor.name} {compressor.version} "
            f"(level {compressor.level})"
        )


def _taken_over(lock: Lock, package: Package) -> Iterator[str]:
    """Differences that `refresh` mends."""
    model = parts.model(package, lock)
    for field in ("name", "version", "runtime", "entry", "weights"):
        yield from _value(f"[model] {field}", getattr(lock.model, field), getattr(model, field))
    yield from _sets("golden record", lock.model.golden, model.golden)
    if model.schema != lock.model.schema:
        yield "what predict takes or gives changed"
    was, now = msgspec.to_builtins(lock.model.serve), msgspec.to_builtins(model.serve)
    for key in now:
        yield from _value(f"[serve] {key}", was[key], now[key])
    yield from _keys("[env]", lock.env, parts.env(package))
    yield from _keys("[resources]", lock.resources, parts.resources(package))
    yield from _files("", lock.code, package.code)
    yield from _files("weights ", lock.weights, package.weights)


def _requirements(was: Iterable[str], now: Iterable[str]) -> Iterator[str]:
    servers = set(parts.normal(server_wheel.requirements()))
    before, after = _by_name(was), _by_name(now)
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, set()), after.get(name, set())
        if old == new:
            continue
        whose = "the server's requirement" if new and new <= servers else "the requirement"
        gone, come = ", ".join(sorted(old - new)), ", ".join(sorted(new - old))
        if gone and come:
            yield f"{whose} {gone} became {come}"
        else:
            yield f"{whose} {come} was added" if come else f"{whose} {gone} was removed"


def _by_name(lines: Iterable[str]) -> dict[str, set[str]]:
    named: dict[str, set[str]] = {}
    for line in lines:
        named.setdefault(canonicalize_name(Requirement(line).name), set()).add(line)
    return named


def _files(kind: str, was: Sequence[FileEntry], now: Sequence[FileEntry]) -> Iterator[str]:
    before, after = ({entry.path: entry for entry in entries} for entries in (was, now))
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old is None:
            yield f"{kind}{path} was added"
        elif new is None:
            yield f"{kind}{path} was removed"
        elif (old.sha256, old.size) != (new.sha256, new.size):
            yield f"{kind}{path} changed"
        elif old.executable != new.executable:
            yield f"{kind}{path} is {'now' if new.executable else 'no longer'} executable"


def _sets(kind: str, was: Iterable[str], now: Iterable[str]) -> Iterator[str]:
    before, after = set(was), set(now)
    yield from (f"the {kind} {name} was removed" for name in sorted(before - after))
    yield from (f"the {kind} {name} was added" for name in sorted(after - before))


def _keys(table: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for key in sorted(was.keys() | now.keys()):
        if was.get(key) != now.get(key):
            # Values are left out: people put secrets where they do not belong.
            what = "was added" if key not in was else "was removed" if key not in now else "changed"
            yield f"{table} {key} {what}"


def _value(key: str, was: object, now: object) -> Iterator[str]:
    if was != now:
        yield f"{key} was {_shown(was)} and is {_shown(now)}"


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)
