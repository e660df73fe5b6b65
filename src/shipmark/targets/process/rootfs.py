"""From an image in the store to directories: each layer unpacked once, by diff ID."""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.errors import DeployError, DigestMismatch
from shipmark.oci import descriptor as oci
from shipmark.oci.config import ImageConfig
from shipmark.oci.descriptor import Descriptor
from shipmark.oci.manifest import Manifest
from shipmark.progress import Progress, Task
from shipmark.store import Store
from shipmark.targets.process import durability, linux
from shipmark.targets.process.gunzip import Damaged, Gunzip, Readable
from shipmark.targets.process.tarstream import TarStream
from shipmark.targets.process.untar import Unpacker

RESERVE_BYTES = 128 << 20
"""Never the last of the disk: the host and its neighbours need some."""


class Budget:
    """The bytes that may still be written, shared by the threads that write them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = max(0, shutil.disk_usage(folder).free - RESERVE_BYTES)
        self._free = self._left
        self._lock = threading.Lock()

    def require(self, size_bytes: int) -> None:
        """Refuse what cannot fit, before any of it is written.

        Raises:
            DeployError: There is not so much room.
        """
        if size_bytes > self._left:
            raise self._full(f"at least {size_bytes >> 20} MiB are needed")

    def spend(self, size_bytes: int) -> None:
        """Account for bytes about to be written.

        Raises:
            DeployError: There is not so much room.
        """
        with self._lock:
            self._left -= size_bytes
            if self._left < 0:
                raise self._full("the image is larger")

    def _full(self, reason: str) -> DeployError:
        return DeployError(
            f"the image does not fit on the disk of {self._folder}: {self._free >> 20} MiB may be "
            f"used, and {reason}",
            hint="make room there, or move the store with SHIPMARK_HOME",
        )


def unpack(
    store: Store, manifest: Manifest, config: ImageConfig, progress: Progress
) -> tuple[Path, ...]:
    """The directories of the image's layers, lowest first, unpacked where they were not.

    Raises:
        DeployError: A layer is malformed or hostile, or the disk is full.
        DigestMismatch: A layer is not what the config promises.
    """
    diff_ids = config.rootfs.diff_ids
    if len(manifest.layers) != len(diff_ids):
        raise DeployError(
            f"the image's manifest has {len(manifest.layers)} layers and its config "
            f"{len(diff_ids)}",
            hint="build the image again",
        )
    layers = dict(zip(diff_ids, manifest.layers, strict=True))
    if _missing(store, layers):
        # One at a time: they would compete for the same processors and disk, and none could tell
        # how much of the disk is left. Another process may have unpacked them meanwhile.
        with store.locked("unpack"):
            _unpack_all(store, _missing(store, layers), progress)
    return tuple(store.unpacked(diff_id) for diff_id in diff_ids)


def _missing(store: Store, layers: dict[Digest, Descriptor]) -> dict[Digest, Descriptor]:
    return {diff_id: layer for diff_id, layer in layers.items() if not _is_there(store, diff_id)}


def _is_there(store: Store, diff_id: Digest) -> bool:
    path = store.unpacked(diff_id)
    return path.is_dir() and not durability.is_lost(path)


def _unpack_all(store: Store, missing: dict[Digest, Descriptor], progress: Progress) -> None:
    folder = store.root / "unpacked"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    budget = Budget(folder)
    # Twice is what gzip hardly ever stays below; the exact size is only known afterwards.
    budget.require(
        sum(
            layer.size * (2 if layer.media_type == oci.LAYER_GZIP else 1)
            for layer in missing.values()
        )
    )
    total = sum(layer.size for layer in missing.values())
    workers = max(1, min(len(missing), os.cpu_count() or 1))
    with (
        store.scratch() as scratch,
        progress.task("unpacking", total=total, unit="bytes") as task,
        ThreadPoolExecutor(max_workers=workers) as pool,
    ):
        largest_first = sorted(missing.items(), key=lambda item: -item[1].size)
        unpacked = {
            diff_id: pool.submit(
                _unpack_layer, store, layer, diff_id, scratch=scratch, budget=budget, task=task
            )
            for diff_id, layer in largest_first
        }
        try:
            beside = {diff_id: future.result() for diff_id, future in unpacked.items()}
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        _outlast_power_failure(scratch, list(beside.values()))
        for diff_id, path in beside.items():
            target = store.unpacked(diff_id)
            if target.exists():  # and lost
                target.rename(scratch / f"lost-{target.name}")
            path.rename(target)


def _outlast_power_failure(scratch: Path, layers: list[Path]) -> None:
    """Else names could be there after one, and what is in the files lost."""
    try:
        for layer in layers:
            durability.mark(layer)
    except OSError:
        linux.sync_file_system(scratch)


def _unpack_layer(
    store: Store, layer: Descriptor, diff_id: Digest, *, scratch: Path, budget: Budget, task: Task
) -> Path:
    """Unpack one layer below `scratch` and check it."""
    root = scratch / digests.hex_of(diff_id)
    root.mkdir()
    root.chmod(0o755)
    state = hashlib.sha256()
    try:
        with _opened(store, layer, task.advance) as stream:
            archive = TarStream(stream, state.update)
            Unpacker(root, budget.spend).unpack(archive)
            archive.drain()
    except DeployError as error:
        store.verify(layer.digest)  # a blob damaged on the disk is the nearer reason
        raise DeployError(f"layer {diff_id}: {error.message}", hint=error.hint) from error
    except Damaged as error:
        store.verify(layer.digest)
        raise DeployError(
            f"the layer {layer.digest} was made damaged: {error}",
            hint="build the image again, or take it from elsewhere",
        ) from error
    except OSError as error:
        raise _disk_error(error, store.root) from error
    actual = Digest(f"sha256:{state.hexdigest()}")
    if actual != diff_id:
        store.verify(layer.digest)
        raise DigestMismatch(
            f"the layer {layer.digest}, unpacked,",
            expected=diff_id,
            actual=actual,
            hint="its configuration promises another one: build the image again, or take it from "
            "elsewhere",
        )
    return root


class _Counted:
    """A blob that tells how much of it was read."""

    def __init__(self, blob: BinaryIO, advance: Callable[[int], None]) -> None:
        self._blob = blob
        self._advance = advance

    def read(self, size: int, /) -> bytes:
        data = self._blob.read(size)
        self._advance(len(data))
        return data


@contextmanager
def _opened(store: Store, layer: Descriptor, advance: Callable[[int], None]) -> Iterator[Readable]:
    """The layer's tar stream; `advance` hears of the blob's bytes as they are read."""
    with store.open(layer.digest) as blob:
        counted = _Counted(blob, advance)
        if layer.media_type == oci.LAYER_TAR:
            yield counted
        elif layer.media_type == oci.LAYER_GZIP:
            yield Gunzip(counted)
        else:
            raise DeployError(
                f"its media type {layer.media_type} cannot be read",
                hint="gzip and plain tar layers can",
            )


def _disk_error(error: OSError, folder: Path) -> DeployError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DeployError(
            f"the disk of {folder} is full: the image could not be unpacked",
            hint="make room there, or move the store with SHIPMARK_HOME",
        )
    return DeployError(f"unpacking into {folder} failed: {error}")
