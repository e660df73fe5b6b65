"""Which layers an image has, in order, and how each is made.

Base, one layer for each large wheel, one for the small ones, weights, code, description: ordered by
how seldom they change. The description names the digests of both code and weights, so it has a
layer of its own, of a few hundred bytes: new code leaves the weights' layer alone, and new weights
the code's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shipmark import digest as digests
from shipmark.builders import package_files
from shipmark.builders import wheel as wheels
from shipmark.builders.base import base_parts
from shipmark.builders.build_python import BuildPython
from shipmark.builders.deb_pool import DebPool
from shipmark.builders.layers import Recipe
from shipmark.builders.part import Part
from shipmark.builders.pyc import Refusal, with_bytecode
from shipmark.builders.spool import Workspace
from shipmark.errors import PackageError
from shipmark.lock.lock import Lock, Wheel
from shipmark.oci.descriptor import canonical
from shipmark.oci.layer import File
from shipmark.package.package import FileEntry, Source
from shipmark.store import Store
from shipmark_serve.contract.model import IMAGE_DESCRIPTION, IMAGE_ROOT

LARGE_BYTES = 8_000_000
"""A wheel of this size has a layer of its own."""

Parts = Callable[[Workspace], Sequence[Part]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One layer to be built."""

    recipe: Recipe
    amount: int
    """Bytes that go in, for progress."""
    parts: Parts
    compress: Callable[[], bool]
    cost: int
    """How long it takes beside the others, roughly; the longest is begun first."""


class Planner:
    """Plans the layers of a lock's images.

    Args:
        lock: What to build.
        source: Where the package's files are read.
        store: Where the wheels lie.
        pool: Reads the debs.
        report: Told of the package's files that do not compile.
    """

    def __init__(
        self,
        lock: Lock,
        source: Source,
        *,
        store: Store,
        pool: DebPool,
        report: Callable[[Refusal], None],
    ) -> None:
        self._lock = lock
        self._source = source
        self._store = store
        self._pool = pool
        self._report = report
        # A lock without a build Python asks for no bytecode; that is the lock's decision, so the
        # bytes still follow from the lock alone.
        self._python = BuildPython(lock, store, pool) if lock.build_python else None

    def plans(self, platform: str) -> list[Plan]:
        """The layers of one platform, lowest first."""
        lock = self._lock
        found = sorted(wheels_of(lock, platform), key=lambda wheel: wheel.filename)
        small = [wheel for wheel in found if wheel.size < LARGE_BYTES]
        plans = [self._base(platform)]
        plans += [
            self._wheels(f"{wheel.name} {wheel.version}", [wheel])
            for wheel in found
            if wheel.size >= LARGE_BYTES
        ]
        if small:
            plans.append(self._wheels("small wheels", small))
        if lock.weights:
            plans.append(self._weights())
        if lock.code:
            plans.append(self._code())
        return [*plans, self._description()]

    def stop(self) -> None:
        """Give up what is being prepared; whoever waits for it gets an error."""
        self._pool.stop()
        if self._python is not None:
            self._python.stop()

    # -- one method per layer ------------------------------------------------------------

    def _base(self, platform: str) -> Plan:
        lock = self._lock
        packages = lock.platforms[platform].debs
        architecture = platform.split("/")[1]

        def parts(workspace: Workspace) -> Sequence[Part]:
            made = base_parts(
                packages,
                architecture=architecture,
                suite=lock.suite,
                python=lock.python,
                pool=self._pool,
            )
            return self._with_bytecode(made, workspace, _ignored, below="usr/lib/python3")

        return self._plan(
            "base",
            [architecture, lock.suite, lock.python, *self._bytecode_inputs()]
            + [f"{package.name} {package.sha256}" for package in packages],
            parts,
            amount=sum(package.size for package in packages),
            cost=2,
        )

    def _wheels(self, title: str, chosen: Sequence[Wheel]) -> Plan:
        python = self._lock.python

        def parts(workspace: Workspace) -> Sequence[Part]:
            made = wheels.wheel_parts(chosen, python=python, store=self._store, workspace=workspace)
            return self._with_bytecode(made, workspace, _ignored)

        return self._plan(
            title,
            [python, *self._bytecode_inputs()]
            + [f"{wheel.filename} {wheel.sha256}" for wheel in chosen],
            parts,
            amount=sum(wheel.size for wheel in chosen),
        )

    def _weights(self) -> Plan:
        entries, level = self._lock.weights, self._lock.compressor.level

        def parts(_: Workspace) -> Sequence[Part]:
            return [Part(name="weights", entries=package_files.files(entries, self._source))]

        return self._plan(
            "weights",
            _listed(entries),
            parts,
            amount=sum(entry.size for entry in entries),
            compress=lambda: package_files.compresses(entries, self._source, level),
        )

    def _code(self) -> Plan:
        entries = self._lock.code

        def parts(workspace: Workspace) -> Sequence[Part]:
            made = Part(name="code", entries=package_files.files(entries, self._source))
            return self._with_bytecode([made], workspace, self._refused)

        return self._plan(
            "code",
            [*_listed(entries), *self._bytecode_inputs()],
            parts,
            amount=sum(entry.size for entry in entries),
        )

    def _description(self) -> Plan:
        text = canonical(self._lock.model)
        file = File.of_bytes(IMAGE_DESCRIPTION.lstrip("/"), text)
        return self._plan(
            "description",
            [text.decode()],
            lambda _: [Part(name="description", entries=(file,))],
            amount=len(text),
        )

    # -- inside --------------------------------------------------------------------------

    def _plan(
        self,
        title: str,
        inputs: Sequence[str],
        parts: Parts,
        *,
        amount: int,
        compress: Callable[[], bool] = lambda: True,
        cost: int = 1,
    ) -> Plan:
        recipe = Recipe(
            title=title,
            inputs=tuple(inputs),
            epoch=self._lock.epoch,
            compressor=self._lock.compressor,
        )
        return Plan(
            recipe=recipe, amount=amount, parts=parts, compress=compress, cost=cost * amount
        )

    def _bytecode_inputs(self) -> list[str]:
        """Every build Python of the lock, so that the key is the same on all hosts."""
        lock = self._lock
        packages = {deb.sha256 for group in lock.build_python.values() for deb in group}
        return [lock.python_exact, *sorted(packages)] if packages else []

    def _with_bytecode(
        self,
        parts: Sequence[Part],
        workspace: Workspace,
        refused: Callable[[Refusal], None],
        *,
        below: str = "",
    ) -> Sequence[Part]:
        """Add bytecode to parts, where the lock asks for any."""
        if self._python is None:
            return parts
        return with_bytecode(parts, self._python, workspace, refused, below=below)

    def _refused(self, refusal: Refusal) -> None:
        entry = self._lock.model.entry
        if entry is not None and refusal.path == f"{IMAGE_ROOT}/{entry}":
            raise PackageError(
                f"{entry}:{refusal.line}: {refusal.reason}",
                hint=f"mend it; it is compiled by Python {self._lock.python_exact}",
            )
        self._report(refusal)


def wheels_of(lock: Lock, platform: str) -> list[Wheel]:
    """All wheels of a platform's image, the server's among them, each once."""
    found = {wheel.sha256: wheel for wheel in (*lock.platforms[platform].wheels, lock.server)}
    return list(found.values())


def check_wheels(lock: Lock, platform: str, store: Store) -> None:
    """Refuse wheels that collide; remembered, so that it is looked at once.

    Raises:
        BuildError: Two wheels give the same path with other bytes.
    """
    found = wheels_of(lock, platform)
    key = digests.of_bytes(canonical({"python": lock.python, "wheels": [w.sha256 for w in found]}))
    if store.recall("wheels", key) is None:
        wheels.check_collisions(found, python=lock.python, store=store)
        blobs = [digests.from_hex(wheel.sha256) for wheel in found]
        store.remember("wheels", key, b"{}", blobs=blobs)


def _listed(entries: Sequence[FileEntry]) -> list[str]:
    return [
        f"{entry.path} {entry.sha256} {entry.size} {int(entry.executable)}" for entry in entries
    ]


def _ignored(refusal: Refusal) -> None:
    """A dependency's file that does not compile, such as a template, does without bytecode."""
    del refusal
