"""What of the store belongs to an image: its blobs, the materials it was made from, its layers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from shipmark.digest import Digest
from shipmark.oci.descriptor import Descriptor
from shipmark.oci.graph import read_config, read_index, read_manifest
from shipmark.store.store import ImageRecord, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What one image or deployment needs."""

    blobs: Mapping[Digest, int]
    """Index, manifests, configs and layers: their sizes in bytes, as stored."""
    materials: Mapping[Digest, int] = field(default_factory=dict)
    """The manifest of the materials and what it names: likewise."""
    unpacked: frozenset[Digest]
    """The diff IDs of its layers."""

    @classmethod
    def of_image(cls, store: Store, record: ImageRecord) -> Self:
        """Those of a named image, over all its platforms.

        Raises:
            ShipmarkError: What tells of the blobs is itself missing or damaged.
        """
        index = read_index(store, record.index)
        images = [cls.of_manifest(store, image.digest) for image in index.manifests]
        blobs = {record.index: store.size(record.index)}
        for image in images:
            blobs.update(image.blobs)
        return cls(
            blobs=blobs,
            materials=_materials(store, record.materials),
            unpacked=frozenset().union(*(image.unpacked for image in images)),
        )

    @classmethod
    def of_manifest(cls, store: Store, digest: Digest) -> Self:
        """Those of one platform's image.

        Raises:
            ShipmarkError: Its manifest or configuration is missing or damaged.
        """
        manifest = read_manifest(store, digest)
        config = read_config(store, manifest.config.digest)
        return cls(
            blobs={digest: store.size(digest)} | _sizes([manifest.config, *manifest.layers]),
            unpacked=frozenset(config.rootfs.diff_ids),
        )


def _materials(store: Store, digest: Digest | None) -> dict[Digest, int]:
    if digest is None:
        return {}
    manifest = read_manifest(store, digest)
    return {digest: store.size(digest)} | _sizes([manifest.config, *manifest.layers])


def _sizes(descriptors: Iterable[Descriptor]) -> dict[Digest, int]:
    return {descriptor.digest: descriptor.size for descriptor in descriptors}
