"""Blobs by digest on a local file system: written beside, then renamed.

Layout below the root:

    blobs/sha256/<hex>       a blob, read-only; its name is its digest
    images/<name>.json       a named image: {"index": digest, ...}; the roots of gc
    cache/<kind>/<hex>.json  what a step of the build gave for a key
    tools/<hex>/             a program unpacked to build with, by the digest of what it is made from
    unpacked/<hex>/          a layer's files, for the process target, by diff ID
    tmp/                     files being written
    locks/                   advisory locks

Any number of processes may write at once: a name appears whole or not at all, and two writers of
one digest write the same bytes.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.errors import DigestMismatch, ShipmarkError
from shipmark.store.disk import explained, sync_folder
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
        """Open a blob for reading; its bytes are not checked (see `verify`).

        Raises:
            ShipmarkError: The blob is not in the store.
        """
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise self._missing(digest) from None

    def verify(self, digest: Digest) -> None:
        """Read a blob through and check its bytes.

        Raises:
            DigestMismatch: The file was changed on disk.
            ShipmarkError: The blob is not in the store.
        """
        with self.open(digest) as stream:
            actual = digests.of_file(stream)
        self._check(digest, actual)

    def read(self, digest: Digest) -> bytes:
        """Read a small blob whole (manifest, config) and check it.

        Raises:
            DigestMismatch: The file was changed on disk.
            ShipmarkError: The blob is not in the store.
        """
        with self.open(digest) as stream:
            data = stream.read()
        self._check(digest, digests.of_bytes(data))
        return data

    def put(self, data: bytes) -> Digest:
        """Store `data`."""
        with self.writer(need_bytes=len(data)) as writer:
            writer.write(data)
            return writer.commit()

    def adopt(self, file: Path, expected: Digest) -> Digest:
        """Take a file into the store, by hard link where the file system allows it.

        Only for a file that nobody writes in place, such as one of a download cache: it becomes
        read-only, and from then on it is the blob.

        Raises:
            DigestMismatch: The file's bytes are not `expected`.
        """
        if self.has(expected):
            return expected
        with self._temporary() as beside:
            with explained(self.path(expected), need_bytes=file.stat().st_size):
                beside.unlink()
                try:
                    beside.hardlink_to(file)
                except OSError:
                    shutil.copyfile(file, beside)
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
        with self._temporary() as beside, BlobWriter(beside, self._move_in, need_bytes) as writer:
            yield writer

    # -- names ---------------------------------------------------------------------------

    def images(self) -> list[ImageRecord]:
        """All named images, by name.

        Raises:
            ShipmarkError: A record cannot be read.
        """
        names = (path.stem for path in (self.root / "images").glob("*.json"))
        found = (self.image(name) for name in sorted(names))
        return [record for record in found if record is not None]

    def image(self, name: str) -> ImageRecord | None:
        """The image of that name.

        Raises:
            ShipmarkError: The record cannot be read.
        """
        path = self._image_path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=ImageRecord)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ShipmarkError(
                f"the image record {path} cannot be read: {error}",
                hint="delete the file and build the image again",
            ) from error

    def tag(self, record: ImageRecord) -> None:
        """Point `record.name` to an image whose blobs are in the store.

        After this the image survives a power failure: its blobs' names are made durable first.
        """
        with explained(self.root / "images"):
            sync_folder(self._folder("blobs/sha256"))
            path = self._image_path(record.name)
            self._replace(path, msgspec.json.encode(record))
            sync_folder(path.parent)

    # -- cache ---------------------------------------------------------------------------

    def recall(self, kind: str, key: Digest) -> bytes | None:
        """What an earlier build remembered for `key`."""
        try:
            return self._cache_path(kind, key).read_bytes()
        except FileNotFoundError:
            return None

    def remember(self, kind: str, key: Digest, data: bytes) -> None:
        """Remember `data` for later builds."""
        self._replace(self._cache_path(kind, key), data)

    # -- folders and locks ---------------------------------------------------------------

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the advisory lock `name`; others wait. Freed when the process dies."""
        path = self._folder("locks") / name
        with explained(path):
            stream = path.open("wb")
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary directory on the store's file system, removed at the end."""
        path = self._folder("tmp") / secrets.token_hex(8)
        with explained(path):
            path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

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

    def _folder(self, name: str) -> Path:
        path = self.root / name
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def _cache_path(self, kind: str, key: Digest) -> Path:
        return self.root / "cache" / kind / f"{digests.hex_of(key)}.json"

    def _image_path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise ShipmarkError(
                f"{name!r} is not a name for an image",
                hint="use letters, digits, dots, dashes and underscores; 128 at most",
            )
        return self.root / "images" / f"{name}.json"

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        path = self._folder("tmp") / secrets.token_hex(8)
        with explained(path):
            path.touch(exist_ok=False)
        try:
            yield path
        finally:
            with suppress(FileNotFoundError):
                path.unlink()

    def _replace(self, path: Path, data: bytes) -> None:
        with self._temporary() as beside, explained(path, need_bytes=len(data)):
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            beside.rename(path)

    def _move_in(self, beside: Path, digest: Digest) -> None:
        target = self.path(digest)
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside.chmod(0o444)
            beside.rename(target)

    def _check(self, digest: Digest, actual: Digest) -> None:
        if actual != digest:
            raise DigestMismatch(
                f"the blob {self.path(digest)}",
                expected=digest,
                actual=actual,
                hint="delete the file and build again",
            )

    def _missing(self, digest: Digest) -> ShipmarkError:
        return ShipmarkError(
            f"the blob {digest} is not in the store {self.root}", hint="build the image again"
        )
