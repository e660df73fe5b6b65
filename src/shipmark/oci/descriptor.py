"""Descriptors: how one blob points to another. Source: OCI image specification, "Descriptor"."""

import msgspec

from shipmark.digest import Digest
from shipmark_serve.contract.records import ForeignRecord

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"


class Platform(ForeignRecord, frozen=True, kw_only=True, omit_defaults=True):
    """Operating system and architecture; written `linux/amd64`."""

    architecture: str
    os: str
    variant: str | None = None

    def __str__(self) -> str:
        parts = [self.os, self.architecture] + ([self.variant] if self.variant else [])
        return "/".join(parts)


class Descriptor(ForeignRecord, frozen=True, kw_only=True, omit_defaults=True):
    """A typed reference to content; `size` in bytes."""

    media_type: str
    digest: Digest
    size: int
    annotations: dict[str, str] = {}
    platform: Platform | None = None
    artifact_type: str | None = None


def canonical(record: msgspec.Struct | dict[str, object]) -> bytes:
    """JSON with sorted keys and no spaces: the same record gives the same bytes."""
    return msgspec.json.encode(record, order="sorted")
