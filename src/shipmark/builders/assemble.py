"""Lock -> images: every layer built or recalled, then configs, manifests and an index over them.

Layers are built side by side by threads: unpacking, hashing and compressing happen outside
Python's lock, and compiling in processes of its own.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from shipmark.builders import image
from shipmark.builders.deb_pool import DebPool
from shipmark.builders.layers import BuiltLayer, LayerBuilder, check_compressor
from shipmark.builders.plan import Plan, Planner, check_wheels
from shipmark.builders.pyc import Refusal
from shipmark.builders.spool import Workspace
from shipmark.digest import Digest
from shipmark.errors import BuildError
from shipmark.lock.lock import Lock
from shipmark.oci import gzip
from shipmark.oci.gzip import Compressor
from shipmark.package.package import Source
from shipmark.progress import Progress, Task
from shipmark.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """One platform's image in the store."""

    platform: str
    manifest: Digest
    config: Digest
    layers: tuple[BuiltLayer, ...]
    """Lowest first."""

    @property
    def size(self) -> int:
        """What is pulled: all layers as stored, in bytes."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build put into the store."""

    index: Digest
    materials: Digest
    """The manifest of the artifact that holds the debs and wheels."""
    images: Mapping[str, BuiltImage]
    """By platform."""
    seconds: float


def assemble(
    lock: Lock,
    source: Source,
    *,
    store: Store,
    platforms: Sequence[str],
    progress: Progress,
    jobs: int | None = None,
) -> Built:
    """Build the images of a lock into the store.

    Args:
        lock: Everything that determines the bytes.
        source: Where the package's files are read; checked against the lock as they pass.
        store: Holds the debs and wheels under their digests, and takes what is made.
        platforms: Of the lock's, such as `linux/amd64`.
        progress: Who watches.
        jobs: How many threads; all processors unless given. Makes no difference to the bytes.

    Raises:
        BuildError: The materials do not make an image, or this host cannot build it.
        PackageError: The package changed, or its entry does not compile.
        DigestMismatch: A deb or wheel in the store is damaged.
    """
    started = time.monotonic()
    _check(lock, platforms)
    refusals: list[Refusal] = []
    threads = jobs or _processors()
    with (
        store.scratch() as scratch,
        Workspace(scratch) as workspace,
        DebPool(store, workspace, threads) as pool,
    ):
        planner = Planner(lock, source, store=store, pool=pool, report=refusals.append)
        plans = {platform: planner.plans(platform) for platform in platforms}
        layers = _layers(plans, planner, lock, store, progress=progress, threads=threads)
    for refusal in refusals:
        progress.note(
            f"{refusal.path}, line {refusal.line}, does not compile ({refusal.reason}): "
            "it is in the image without bytecode"
        )
    images = {
        platform: _image(lock, platform, [layers[plan.recipe.key] for plan in planned], store)
        for platform, planned in plans.items()
    }
    manifests = {platform: store.read(built.manifest) for platform, built in images.items()}
    store.put(image.NOTHING)
    return Built(
        index=store.put(image.index(lock, manifests)),
        materials=store.put(image.materials(lock, platforms, store.has)),
        images=images,
        seconds=time.monotonic() - started,
    )


def _check(lock: Lock, platforms: Sequence[str]) -> None:
    if lock.base is not None:
        raise BuildError(
            f"tried to build on {lock.base}: base images cannot be pulled yet",
            hint="leave [image] base out; Debian packages then make the base",
        )
    for platform in platforms:
        if platform not in lock.platforms:
            raise BuildError(
                f"the lock has no {platform}; it has {', '.join(sorted(lock.platforms))}",
                hint=f"shipmark lock --platform {platform}",
            )


def _layers(
    plans: Mapping[str, Sequence[Plan]],
    planner: Planner,
    lock: Lock,
    store: Store,
    *,
    progress: Progress,
    threads: int,
) -> dict[Digest, BuiltLayer]:
    """Recall or build every layer once, by the key of its recipe."""
    wanted = {plan.recipe.key: plan for planned in plans.values() for plan in planned}
    total = sum(plan.amount for plan in wanted.values())
    with (
        Compressor(
            level=lock.compressor.level, block_bytes=lock.compressor.block_bytes, threads=threads
        ) as compressor,
        progress.task("assembling", total=total, unit="bytes") as task,
    ):
        builder = LayerBuilder(store, compressor)
        layers: dict[Digest, BuiltLayer] = {}
        missing: dict[Digest, Plan] = {}
        for key, plan in wanted.items():
            if (layer := builder.recall(plan.recipe)) is not None:
                layers[key] = layer
                task.advance(plan.amount)
            else:
                missing[key] = plan
        if missing:
            check_compressor(lock.compressor, gzip.VERSION)
            layers |= _side_by_side(builder, planner, missing, task, threads)
        for platform in plans:
            check_wheels(lock, platform, store)
    return layers


def _side_by_side(
    builder: LayerBuilder,
    planner: Planner,
    plans: Mapping[Digest, Plan],
    task: Task,
    threads: int,
) -> dict[Digest, BuiltLayer]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="layer")
    try:
        building = {
            pool.submit(
                builder.build,
                plan.recipe,
                plan.parts,
                task,
                amount=plan.amount,
                compress=plan.compress,
            ): key
            for key, plan in sorted(plans.items(), key=lambda item: -item[1].cost)
        }
        return {building[done]: done.result() for done in as_completed(building)}
    except BaseException:
        builder.stop()
        planner.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _image(lock: Lock, platform: str, layers: Sequence[BuiltLayer], store: Store) -> BuiltImage:
    config = image.config(lock, image.parse_platform(platform), layers)
    return BuiltImage(
        platform=platform,
        config=store.put(config),
        manifest=store.put(image.manifest(lock, config, layers)),
        layers=tuple(layers),
    )


def _processors() -> int:
    """Those this process may use; more than eight would only cost memory."""
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(usable, 8)
