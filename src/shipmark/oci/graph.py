"""What an index leads to: its manifests, and their configs and layers."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import msgspec

from shipmark.digest import Digest
from shipmark.errors import ShipmarkError
from shipmark.oci.config import ImageConfig
from shipmark.oci.descriptor import CONFIG, INDEX, MANIFEST, Descriptor
from shipmark.oci.manifest import Index, Manifest

_Document = TypeVar("_Document", Index, Manifest)


class Blobs(Protocol):
    """Where blobs are read from."""

    def path(self, digest: Digest) -> Path:
        """The file that holds the blob."""

    def open(self, digest: Digest) -> BinaryIO:
        """Open it for reading."""

    def read(self, digest: Digest) -> bytes:
        """Read it whole, checked against its digest."""

    def size(self, digest: Digest) -> int:
        """Its size in bytes."""

    def verify(self, digest: Digest) -> None:
        """Read it through and refuse it unless its bytes are those of the digest."""


def read_index(blobs: Blobs, digest: Digest) -> Index:
    """Read an image index.

    Raises:
        ShipmarkError: It is missing or no index.
    """
    try:
        index = msgspec.json.decode(blobs.read(digest), type=Index)
    except msgspec.DecodeError as error:
        raise _unreadable(digest, INDEX, error) from error
    return _checked(index, INDEX, digest)


def read_manifest(blobs: Blobs, digest: Digest) -> Manifest:
    """Read an image manifest.

    Raises:
        ShipmarkError: It is missing or no manifest.
    """
    try:
        manifest = msgspec.json.decode(blobs.read(digest), type=Manifest)
    except msgspec.DecodeError as error:
        raise _unreadable(digest, MANIFEST, error) from error
    return _checked(manifest, MANIFEST, digest)


def read_config(blobs: Blobs, digest: Digest) -> ImageConfig:
    """Read an image's configuration.

    Raises:
        ShipmarkError: It is missing or no configuration.
    """
    try:
        return msgspec.json.decode(blobs.read(digest), type=ImageConfig)
    except msgspec.DecodeError as error:
        raise _unreadable(digest, CONFIG, error) from error


def reachable(blobs: Blobs, index: Digest) -> Iterator[Digest]:
    """Every blob of the images of an index, each once, what is pointed to before what points."""
    seen: set[Digest] = set()
    for image in read_index(blobs, index).manifests:
        manifest = read_manifest(blobs, image.digest)
        for descriptor in (*manifest.layers, manifest.config, image):
            if descriptor.digest not in seen:
                seen.add(descriptor.digest)
                yield descriptor.digest
    yield index


def pick(index: Index, platform: str) -> Descriptor:
    """The image of an index for a platform such as `linux/amd64`.

    Raises:
        ShipmarkError: The index has none for it.
    """
    found = {str(image.platform): image for image in index.manifests if image.platform}
    if platform not in found:
        raise ShipmarkError(
            f"the image has no {platform}; it has {', '.join(sorted(found)) or 'no platform'}",
            hint=f"build it with --platform {platform}",
        )
    return found[platform]


def _checked(document: _Document, media_type: str, digest: Digest) -> _Document:
    if document.media_type != media_type:
        raise ShipmarkError(f"{digest} is a {document.media_type}, but {media_type} was expected")
    return document


def _unreadable(digest: Digest, media_type: str, error: Exception) -> ShipmarkError:
    return ShipmarkError(f"{digest} cannot be read as {media_type}: {error}")
