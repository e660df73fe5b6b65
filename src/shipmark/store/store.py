"""Blobs by digest on a local file system: written beside, then renamed.

Layout below the root:

    blobs/sha256/<hex>       a blob, read-only; its name is its digest
    images/<name>.json       a named image: {"index": digest, ...}; the roots of gc
    cache/<kind>/<hex>.json  what a step of the build gave for a key, and of which blobs it speaks
    tools/<hex>/             a program unpacked to build with, by the digest of what it is made from
    unpacked/<hex>/          a layer's files, for the process target, by diff ID
    tmp/                     files being written
    locks/                   advisory locks

Any number of processes may write at once: a name appears whole or not at all, and two writers of
one digest write the same bytes. Whoever needs what it finds or puts there to stay says so by
`in_use`; `alone`, nothing is in use, and gc may take away what is not referenced.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.errors import DigestMismatch, ShipmarkError
from shipmark.progress import Progress
from shipmark.store.disk import explained, sync_folder
from shipmark.store.seal import is_sealed, link_or_copy, seal
from shipmark.store.workplace import Workplace
from shipmark.store.writer import BlobWriter
from shipmark_serve.contract.records import Record

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class ImageRecord(Record, frozen=True, kw_only=True):
    """What a name in the store points to."""

    name: str
    version: str
    index: Digest
    """The image index (one manifest per platform)."""
    materials: Digest | None = None
    """The manifest of the debs and wheels it was made from."""


class Remembered(Record, frozen=True, kw_only=True):
    """What a step of the build gave; of no use without the blobs it speaks of."""

    blobs: tuple[Digest, ...]
    value: msgspec.Raw


class Store:
    """A blob store below `root`; made when first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._workplace = Workplace(root)

    # -- blobs ---------------------------------------------------------------------------

    def path(self, digest: Digest) -> Path:
        """Where the blob lies, whether or not it is there."""
        return self.root / "blobs" / "sha256" / digests.hex_of(digest)

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there and whole.

        It is read through only where its file was written to since it came in (see `seal`); what
        is damaged counts as missing, and whoever makes it again puts it right.
        """
        try:
            if is_sealed(self.path(digest).stat()):
                return True
            self.verify(digest)
        except (OSError, ShipmarkError):
            return False
        return True

    def size(self, digest: Digest) -> int:
        """Size in bytes.

        Raises:
            ShipmarkError: The blob is not in the store.
        """
        with self.open(digest) as stream:
            return os.fstat(stream.fileno()).st_size

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading; its bytes are not checked (see `verify`).

        Raises:
            ShipmarkError: The blob is not in the store.
        """
        path = self.path(digest)
        with explained(path, doing="read"):
            try:
                return path.open("rb")
            except (FileNotFoundError, IsADirectoryError):
                raise self._missing(digest) from None

    def verify(self, digest: Digest) -> None:
        """Read a blob through and check its bytes; a damaged one is removed.

        Raises:
            DigestMismatch: The file was changed on disk.
            ShipmarkError: The blob is not in the store.
        """
        with self.open(digest) as stream:
            before = os.fstat(stream.fileno())
            with explained(self.path(digest), doing="read"):
                actual = digests.of_file(stream)
            self._check(digest, actual, stream)
            if os.fstat(stream.fileno()).st_mtime_ns == before.st_mtime_ns:
                with suppress(OSError):
                    seal(self.path(digest))

    def read(self, digest: Digest) -> bytes:
        """Read a small blob whole (manifest, config) and check it; a damaged one is removed.

        Raises:
            DigestMismatch: The file was changed on disk.
            ShipmarkError: The blob is not in the store.
        """
        with self.open(digest) as stream:
            with explained(self.path(digest), doing="read"):
                data = stream.read()
            self._check(digest, digests.of_bytes(data), stream)
        return data

    def put(self, data: bytes) -> Digest:
        """Store `data`, unless it is there."""
        digest = digests.of_bytes(data)
        with suppress(ShipmarkError):
            self.read(digest)
            return digest
        with self.writer(need_bytes=len(data)) as writer:
            writer.write(data)
            return writer.commit()

    def adopt(self, file: Path, expected: Digest) -> Digest:
        """Take a file into the store, by hard link where the file system allows it.

        Only for a file that nobody writes in place, such as one of a download cache: it becomes
        read-only, and from then on it is the blob.

        Raises:
            DigestMismatch: The file's bytes are not `expected`.
            ShipmarkError: The file is gone, or the disk refuses.
        """
        if self.has(expected):
            return expected
        with explained(file, doing="read"):
            size = file.stat().st_size
        with self._workplace.file() as beside:
            with explained(self.path(expected), need_bytes=size):
                beside.unlink()
                link_or_copy(file, beside)
            # Hashed after it was linked, so that a file replaced meanwhile cannot slip in.
            with beside.open("rb") as stream:
                actual = digests.of_file(stream)
            if actual != expected:
                raise DigestMismatch(str(file), expected=expected, actual=actual)
            self._move_in(beside, expected)
        return expected

    @contextmanager
    def writer(self, *, need_bytes: int | None = None) -> Iterator[BlobWriter]:
        """Write a blob piece by piece; nothing stays unless it was committed.

        Args:
            need_bytes: How many bytes will come, for the message when the disk is full.
        """
        with (
            self._workplace.file() as beside,
            BlobWriter(beside, self._move_in, need_bytes) as writer,
        ):
            yield writer

    # -- names ---------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The names of all images, sorted."""
        return sorted(path.stem for path in (self.root / "images").glob("*.json"))

    def images(self) -> list[ImageRecord]:
        """All named images, by name.

        Raises:
            ShipmarkError: A record cannot be read.
        """
        found = (self.image(name) for name in self.names())
        return [record for record in found if record is not None]

    def image(self, name: str) -> ImageRecord | None:
        """The image of that name.

        Raises:
            ShipmarkError: The record cannot be read.
        """
        path = self._image_path(name)
        with explained(path, doing="read"):
            try:
                return msgspec.json.decode(path.read_bytes(), type=ImageRecord)
            except FileNotFoundError:
                return None
            except msgspec.DecodeError as error:
                raise ShipmarkError(
                    f"the image record {path} cannot be read: {error}",
                    hint=f"forget it with `shipmark rmi {name}`, and build the image again",
                ) from error

    def tagged_at_s(self, name: str) -> float | None:
        """When the name was last given, in seconds since 1970-01-01 UTC."""
        try:
            return self._image_path(name).stat().st_mtime
        except OSError:
            return None

    def tag(self, record: ImageRecord) -> None:
        """Point `record.name` to an image whose blobs are in the store.

        After this the image survives a power failure: its blobs' names are made durable first.
        """
        with explained(self.root / "images"):
            sync_folder(self._workplace.folder("blobs/sha256"))
            path = self._image_path(record.name)
            self._workplace.replace(path, msgspec.json.encode(record))
            sync_folder(path.parent)

    def untag(self, name: str) -> bool:
        """Forget a name; gc takes away what nothing else needs. False where there is none."""
        path = self._image_path(name)
        with explained(path, doing="remove"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    # -- cache ---------------------------------------------------------------------------

    def recall(self, kind: str, key: Digest) -> bytes | None:
        """What an earlier build remembered for `key`."""
        dated = self.recall_dated(kind, key)
        return None if dated is None else dated[0]

    def recall_dated(self, kind: str, key: Digest) -> tuple[bytes, int] | None:
        """The same, and when that was: in nanoseconds since 1970, by the file system's clock."""
        try:
            with self._cache_path(kind, key).open("rb") as stream:
                value = msgspec.json.decode(stream.read(), type=Remembered).value
                return bytes(value), os.fstat(stream.fileno()).st_mtime_ns
        except (OSError, msgspec.DecodeError):
            return None

    def remember(self, kind: str, key: Digest, data: bytes, *, blobs: Iterable[Digest]) -> None:
        """Remember `data` for later builds.

        Args:
            kind: What made it.
            key: What it was made from.
            data: JSON.
            blobs: What it speaks of; gc keeps it for as long as it keeps all of them.
        """
        record = Remembered(blobs=tuple(blobs), value=msgspec.Raw(data))
        self._workplace.replace(self._cache_path(kind, key), msgspec.json.encode(record))

    # -- who is at work ------------------------------------------------------------------

    @contextmanager
    def in_use(self, progress: Progress | None = None) -> Iterator[None]:
        """Keep all that is here, or comes here, until the end; for any number at once.

        What a killed process left half-written is swept away first, if nobody else is at work.

        Args:
            progress: Told when gc is at work and must be waited for.
        """
        self._workplace.sweep()
        with self._workplace.shared(progress):
            yield

    def alone(self, *, wait_s: float | None, progress: Progress) -> AbstractContextManager[None]:
        """Keep everybody else out; within it the store itself cannot be written to.

        Args:
            wait_s: How long to wait for those at work; None: until all are done.
            progress: Told when they must be waited for.

        Raises:
            ShipmarkError: They are still at work.
        """
        return self._workplace.alone(wait_s=wait_s, progress=progress)

    def locked(self, name: str) -> AbstractContextManager[None]:
        """Hold the advisory lock `name`; others wait. Freed when the process dies."""
        return self._workplace.locked(name)

    def left(self) -> list[Path]:
        """What lies in `tmp/`."""
        return self._workplace.left()

    # -- folders -------------------------------------------------------------------------

    def scratch(self) -> AbstractContextManager[Path]:
        """A temporary directory on the store's file system, removed at the end."""
        return self._workplace.scratch()

    def unpacked(self, diff_id: Digest) -> Path:
        """Where a layer's files are unpacked, whether or not they are there."""
        return self.root / "unpacked" / digests.hex_of(diff_id)

    def tool(self, key: Digest) -> Path:
        """Where a program made from the materials of `key` lies, whether or not it is there."""
        return self.root / "tools" / digests.hex_of(key)

    def place(self, folder: Path, target: Path) -> None:
        """Move a finished folder (from `scratch`) to `target`, unless another was quicker."""
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.rename(target)
            except OSError:
                if not target.is_dir():
                    raise

    # -- inside --------------------------------------------------------------------------

    def _cache_path(self, kind: str, key: Digest) -> Path:
        return self.root / "cache" / kind / f"{digests.hex_of(key)}.json"

    def _image_path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise ShipmarkError(
                f"{name!r} is not a name for an image",
                hint="use letters, digits, dots, dashes and underscores; 128 at most",
            )
        return self.root / "images" / f"{name}.json"

    def _move_in(self, beside: Path, digest: Digest) -> None:
        target = self.path(digest)
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            seal(beside)
            try:
                beside.rename(target)
            except IsADirectoryError:
                shutil.rmtree(target)
                beside.rename(target)

    def _check(self, digest: Digest, actual: Digest, stream: BinaryIO) -> None:
        """Refuse other bytes than the name promises, and see to it that nobody reads them again."""
        if actual == digest:
            return
        path = self.path(digest)
        hint = f"rm -f {path}, then build again"
        with suppress(OSError):
            if path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                path.unlink()
            hint = "it is removed now: build again, and it is made or downloaded anew"
        raise DigestMismatch(f"the blob {path}", expected=digest, actual=actual, hint=hint)

    def _missing(self, digest: Digest) -> ShipmarkError:
        return ShipmarkError(
            f"the blob {digest} is not in the store {self.root}", hint="build the image again"
        )
