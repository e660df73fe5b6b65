"""One layer: from its parts to a blob in the store, or straight from what an earlier build made."""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from threading import Event

import msgspec

from shipmark import digest as digests
from shipmark.builders.part import Part
from shipmark.builders.spool import Workspace
from shipmark.digest import Digest
from shipmark.errors import BuildError
from shipmark.lock import lock as locks
from shipmark.oci.descriptor import LAYER_GZIP, LAYER_TAR, Descriptor, canonical
from shipmark.oci.gzip import Compressor
from shipmark.oci.layer import CHUNK_BYTES, Writer, arranged, write_tar
from shipmark.progress import Task
from shipmark.store import Store
from shipmark_serve.contract.records import Record

REVISION = 3
"""Raised whenever the same inputs give other bytes; earlier layers are then not taken up."""


class BuiltPart(Record, frozen=True, kw_only=True):
    """How much of a layer comes from where; `size` uncompressed, in bytes."""

    name: str
    size: int


class BuiltLayer(Record, frozen=True, kw_only=True):
    """A layer in the store; `size` as stored, in bytes."""

    title: str
    media_type: str
    digest: Digest
    diff_id: Digest
    size: int
    parts: tuple[BuiltPart, ...]
    cached: bool = False
    seconds: float = 0.0

    @property
    def descriptor(self) -> Descriptor:
        """What a manifest says of it."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)


class Recipe(Record, frozen=True, kw_only=True):
    """What determines a layer's bytes; its digest is the key under which the layer is kept."""

    title: str
    inputs: tuple[str, ...]
    """The digests, paths and versions of what goes in."""
    epoch: int
    compressor: locks.Compressor
    revision: int = REVISION

    @property
    def key(self) -> Digest:
        """Equal for equal layers."""
        return digests.of_bytes(canonical(self))


class Stopped(Exception):
    """Another layer failed, so this one is given up."""


class LayerBuilder:
    """Builds layers into a store; may be used by several threads at once.

    Args:
        store: Takes the blobs and remembers what they were made from.
        compressor: Shared by all layers.
    """

    def __init__(self, store: Store, compressor: Compressor) -> None:
        self._store = store
        self._compressor = compressor
        self._stop = Event()

    def stop(self) -> None:
        """Make every layer that is being written end with `Stopped`."""
        self._stop.set()

    def recall(self, recipe: Recipe) -> BuiltLayer | None:
        """The layer of an earlier build, if its blob is still there."""
        data = self._store.recall("layer", recipe.key)
        if data is None:
            return None
        try:
            layer = msgspec.json.decode(data, type=BuiltLayer)
        except msgspec.DecodeError:
            return None
        if not self._store.has(layer.digest) or self._store.size(layer.digest) != layer.size:
            return None
        return msgspec.structs.replace(layer, cached=True)

    def build(
        self,
        recipe: Recipe,
        parts: Callable[[Workspace], Sequence[Part]],
        task: Task,
        *,
        amount: int,
        compress: Callable[[], bool],
    ) -> BuiltLayer:
        """Write a layer.

        Args:
            recipe: What determines it.
            parts: Makes what goes in; the entries are read while the workspace is.
            task: Told how far the layer is.
            amount: What the whole layer counts for in `task`.
            compress: Tells whether it is stored as gzip.

        Raises:
            BuildError: The parts do not make a layer.
            Stopped: `stop` was called.
        """
        started = time.monotonic()
        with (
            self._store.scratch() as scratch,
            Workspace(scratch) as workspace,
            self._store.writer() as blob,
        ):
            zipped = compress()
            made = parts(workspace)
            entries = arranged(entry for part in made for entry in part.entries)
            meter = _Meter(task, amount, sum(part.size for part in made))
            with self._compressor.writer(blob) if zipped else nullcontext(blob) as out:
                tar = _Tar(out, self._stop, meter, hashed=zipped)
                write_tar(entries, tar, epoch=recipe.epoch)
                diff_id = tar.finish()
            digest = blob.commit()
            layer = BuiltLayer(
                title=recipe.title,
                media_type=LAYER_GZIP if zipped else LAYER_TAR,
                digest=digest,
                diff_id=diff_id or digest,
                size=blob.size,
                parts=tuple(BuiltPart(name=part.name, size=part.size) for part in made),
            )
        meter.finish()
        self._store.remember("layer", recipe.key, msgspec.json.encode(layer), blobs=[layer.digest])
        return msgspec.structs.replace(layer, seconds=time.monotonic() - started)


class _Tar:
    """Collects small writes, and hashes what passes: the diff ID.

    Not where the blob is the tar itself, and its digest the diff ID.
    """

    def __init__(self, out: Writer, stop: Event, meter: "_Meter", *, hashed: bool) -> None:
        self._out = out
        self._stop = stop
        self._meter = meter
        self._state = hashlib.sha256() if hashed else None
        self._small = bytearray()

    def write(self, data: bytes) -> None:
        if len(data) < CHUNK_BYTES:
            self._small += data
            if len(self._small) < CHUNK_BYTES:
                return
            data = b""
        self._forward(bytes(self._small))
        self._small.clear()
        self._forward(data)

    def finish(self) -> Digest | None:
        self._forward(bytes(self._small))
        return None if self._state is None else Digest(f"sha256:{self._state.hexdigest()}")

    def _forward(self, data: bytes) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._state is not None:
            self._state.update(data)
        self._out.write(data)
        self._meter.add(len(data))


class _Meter:
    """Tells a task of a layer's bytes in the measure of what went in."""

    def __init__(self, task: Task, amount: int, size: int) -> None:
        self._task = task
        self._amount = amount
        self._size = max(size, 1)
        self._written = 0
        self._told = 0

    def add(self, size: int) -> None:
        self._written += size
        self._tell(min(self._amount * self._written // self._size, self._amount))

    def finish(self) -> None:
        self._tell(self._amount)

    def _tell(self, reached: int) -> None:
        if reached > self._told:
            self._task.advance(reached - self._told)
            self._told = reached


def check_compressor(wanted: locks.Compressor, installed: str) -> None:
    """Refuse to compress with another library than the lock names: its bytes would differ.

    Raises:
        BuildError: It is another one; the hint says how to get the right one.
    """
    if (wanted.name, wanted.version) != ("zlib-ng", installed):
        raise BuildError(
            f"the lock compresses with {wanted.name} {wanted.version}; zlib-ng {installed} is "
            "installed here, which may give other bytes",
            hint=f"pip install zlib-ng=={wanted.version}"
            if wanted.name == "zlib-ng"
            else "take a release of shipmark that knows it",
        )
