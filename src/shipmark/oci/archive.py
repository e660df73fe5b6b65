"""docker-archives: one image as a tar for `docker load`.

The layers stay as they are, gzip included, so the image ID is the config digest.
Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from collections.abc import Sequence
from functools import partial

from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.oci.descriptor import LAYER_GZIP, Descriptor, canonical
from shipmark.oci.graph import Blobs, read_manifest
from shipmark.oci.layer import File, Writer, arranged, write_tar
from shipmark_serve.contract.records import ForeignRecord


class _Contents(ForeignRecord, frozen=True, kw_only=True, rename="pascal"):
    """One image of `manifest.json`."""

    config: str
    repo_tags: tuple[str, ...]
    layers: tuple[str, ...]


def write_archive(blobs: Blobs, manifest: Digest, out: Writer, *, tags: Sequence[str]) -> None:
    """Write the image of `manifest` to `out`; the same image gives the same bytes.

    Args:
        blobs: Where the manifest and its blobs are read from.
        manifest: One image; Docker's format holds one platform.
        out: A file open for writing.
        tags: What the daemon will call it, such as `digits:1.0.3`.

    Raises:
        ShipmarkError: A blob is missing or damaged.
    """
    image = read_manifest(blobs, manifest)
    config = f"{digests.hex_of(image.config.digest)}.json"
    contents = _Contents(
        config=config, repo_tags=tuple(tags), layers=tuple(map(_layer_name, image.layers))
    )
    listing = b"[" + canonical(contents) + b"]"
    files = {config: image.config} | {_layer_name(layer): layer for layer in image.layers}
    for blob in (image.config, *image.layers):
        blobs.verify(blob.digest)
    entries = [
        File(name, blob.size, partial(blobs.open, blob.digest)) for name, blob in files.items()
    ]
    entries.append(File.of_bytes("manifest.json", listing))
    write_tar(arranged(entries), out, epoch=0)


def _layer_name(layer: Descriptor) -> str:
    suffix = ".tar.gz" if layer.media_type == LAYER_GZIP else ".tar"
    return digests.hex_of(layer.digest) + suffix
