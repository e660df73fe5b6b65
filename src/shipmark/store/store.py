"""Blobs by digest on a local file system: written beside, then renamed.

Layout below the root:

    blobs/sha256/<hex>       a blob, read-only; its name is its digest
    images/<name>.json       a named image: {"index": digest, ...}; the roots of gc
    cache/<kind>/<hex>.json  what a step of the build gave for a key
    unpacked/<hex>/          a layer's files, for the process target, by diff ID
    tmp/                     files being written
    locks/                   advisory locks
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.errors import DigestMismatch, ShipmarkError
from shipmark_serve.contract.records import Record


class ImageRecord(Record, frozen=True, kw_only=True):
    """What a name in the store points to."""

    name: str
    version: str
    index: Digest
    """The image index (one manifest per platform)."""
    materials: Digest | None = None
    """The manifest of the debs and wheels it was made from."""


class Store:
    """A blob store below `root`; made when first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # -- blobs ---------------------------------------------------------------------------

    def path(self, digest: Digest) -> Path:
        """Where the blob lies, whether or not it is there."""
        return self.root / "blobs" / "sha256" / digests.hex_of(digest)

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return self.path(digest).is_file()

    def size(self, digest: Digest) -> int:
        """Size in bytes.

        Raises:
            ShipmarkError: The blob is not in the store.
        """
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise self._missing(digest) from None

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading.

        Raises:
            ShipmarkError: The blob is not in the store.
        """
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise self._missing(digest) from None

    def read(self, digest: Digest) -> bytes:
        """Read a small blob whole (manifest, config) and check it.

        Raises:
            DigestMismatch: The file was changed on disk.
            ShipmarkError: The blob is not in the store.
        """
        with self.open(digest) as stream:
            data = stream.read()
        actual = digests.of_bytes(data)
        if actual != digest:
            raise DigestMismatch(
                f"the blob {self.path(digest)}",
                expected=digest,
                actual=actual,
                hint="delete the file and build again",
            )
        return data

    def put(self, data: bytes) -> Digest:
        """Store `data`."""
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()

    def adopt(self, file: Path, expected: Digest) -> Digest:
        """Take a file into the store, by hard link where the file system allows it.

        Raises:
            DigestMismatch: The file's bytes are not `expected`.
        """
        if self.has(expected):
            return expected
        with file.open("rb") as stream:
            actual = digests.of_file(stream)
        if actual != expected:
            raise DigestMismatch(str(file), expected=expected, actual=actual)
        with self._temporary() as beside:
            beside.unlink()
            try:
                os.link(file, beside)
            except OSError:
                shutil.copyfile(file, beside)
            self._move_in(beside, expected)
        return expected

    @contextmanager
    def writer(self) -> Iterator["BlobWriter"]:
        """Write a blob piece by piece; nothing stays unless it was committed."""
        with self._temporary() as beside, beside.open("wb") as stream:
            yield BlobWriter(self, beside, stream)

    # -- names ---------------------------------------------------------------------------

    def images(self) -> list[ImageRecord]:
        """All named images, by name."""
        folder = self.root / "images"
        records = [
            msgspec.json.decode(path.read_bytes(), type=ImageRecord)
            for path in sorted(folder.glob("*.json"))
        ]
        return sorted(records, key=lambda record: record.name)

    def image(self, name: str) -> ImageRecord | None:
        """The image of that name."""
        try:
            data = (self.root / "images" / f"{name}.json").read_bytes()
        except FileNotFoundError:
            return None
        return msgspec.json.decode(data, type=ImageRecord)

    def tag(self, record: ImageRecord) -> None:
        """Point `record.name` to an image."""
        self._replace(self.root / "images" / f"{record.name}.json", msgspec.json.encode(record))

    # -- cache ---------------------------------------------------------------------------

    def recall(self, kind: str, key: Digest) -> bytes | None:
        """What an earlier build remembered for `key`."""
        try:
            return (self.root / "cache" / kind / f"{digests.hex_of(key)}.json").read_bytes()
        except FileNotFoundError:
            return None

    def remember(self, kind: str, key: Digest, data: bytes) -> None:
        """Remember `data` for later builds."""
        self._replace(self.root / "cache" / kind / f"{digests.hex_of(key)}.json", data)

    # -- locks and temporary files -------------------------------------------------------

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the advisory lock `name`; others wait. Freed when the process dies."""
        folder = self._folder("locks")
        with (folder / name).open("wb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary directory on the store's file system, removed at the end."""
        path = self._folder("tmp") / secrets.token_hex(8)
        path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def unpacked(self, diff_id: Digest) -> Path:
        """Where a layer's files are unpacked, whether or not they are there."""
        return self.root / "unpacked" / digests.hex_of(diff_id)

    # -- inside --------------------------------------------------------------------------

    def _folder(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        path = self._folder("tmp") / secrets.token_hex(8)
        path.touch(exist_ok=False)
        try:
            yield path
        finally:
            with suppress(FileNotFoundError):
                path.unlink()

    def _replace(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._temporary() as beside:
            with beside.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            beside.rename(path)

    def _move_in(self, beside: Path, digest: Digest) -> None:
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.chmod(0o444)
        beside.rename(target)

    def _missing(self, digest: Digest) -> ShipmarkError:
        return ShipmarkError(
            f"the blob {digest} is not in the store {self.root}", hint="build the image again"
        )


class BlobWriter:
    """One blob being written; `commit` names it by its content."""

    def __init__(self, store: Store, beside: Path, stream: BinaryIO) -> None:
        self._store = store
        self._beside = beside
        self._stream = stream
        self._state = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del kind, value, traceback

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append `data`."""
        self._state.update(data)
        self.size += len(data)
        return self._stream.write(data)

    def commit(self, expected: Digest | None = None) -> Digest:
        """Make the blob visible under its digest.

        Raises:
            DigestMismatch: `expected` was given and the bytes differ.
        """
        digest = Digest(f"sha256:{self._state.hexdigest()}")
        if expected is not None and digest != expected:
            raise DigestMismatch("the data written", expected=expected, actual=digest)
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._store._move_in(self._beside, digest)
        return digest
