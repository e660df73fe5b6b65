"""OCI image layouts: an image as a folder. Source: OCI image specification, "Image Layout"."""

import secrets
import shutil
from pathlib import Path

from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.errors import ShipmarkError
from shipmark.oci.descriptor import INDEX, Descriptor, canonical
from shipmark.oci.graph import Blobs, reachable
from shipmark.oci.manifest import Index

_MARKER = "oci-layout"
_VERSION = b'{"imageLayoutVersion":"1.0.0"}'
_REF_NAME = "org.opencontainers.image.ref.name"


def write_layout(blobs: Blobs, index: Digest, folder: Path, *, name: str) -> None:
    """Write the images of `index` as a layout: beside `folder`, then renamed.

    Blobs are hard links where the file system allows it; they are read-only.

    Args:
        blobs: Where the index and all it leads to are read from.
        index: The image index.
        folder: Where the layout is written; an earlier layout there is replaced.
        name: What the layout calls the index.

    Raises:
        ShipmarkError: Something else lies at `folder`, a blob is missing or damaged, or the disk
            refuses.
    """
    if folder.exists() and not (folder / _MARKER).is_file() and not _is_empty(folder):
        raise ShipmarkError(
            f"tried to write an OCI layout to {folder}: something else lies there",
            hint="name a folder that does not exist, or remove what lies there",
        )
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        _fill(blobs, index, beside, name)
        _swap(beside, folder)
    except OSError as error:
        raise ShipmarkError(
            f"tried to write an OCI layout to {folder}: {error.strerror or error}",
            hint="name a folder on a disk with room, where this user may write",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _fill(blobs: Blobs, index: Digest, folder: Path, name: str) -> None:
    files = folder / "blobs" / "sha256"
    files.mkdir(parents=True)
    for digest in reachable(blobs, index):
        blobs.verify(digest)
        _link(blobs.path(digest), files / digests.hex_of(digest))
    (folder / _MARKER).write_bytes(_VERSION)
    descriptor = Descriptor(
        media_type=INDEX, digest=index, size=blobs.size(index), annotations={_REF_NAME: name}
    )
    (folder / "index.json").write_bytes(
        canonical(Index(schema_version=2, media_type=INDEX, manifests=(descriptor,)))
    )


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _swap(beside: Path, folder: Path) -> None:
    """Put `beside` in the place of `folder`, whose old content is moved away first."""
    if not folder.exists():
        beside.rename(folder)
        return
    old = beside.with_name(f"{beside.name}.old")
    folder.rename(old)
    try:
        beside.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
