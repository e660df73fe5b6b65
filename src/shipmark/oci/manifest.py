"""Image manifests and indexes. Source: OCI image specification, "Manifest", "Index"."""

from shipmark.oci.descriptor import Descriptor
from shipmark_serve.contract.records import ForeignRecord


class Manifest(ForeignRecord, frozen=True, kw_only=True, omit_defaults=True):
    """One image for one platform, or an artifact (then `artifact_type` is set)."""

    schema_version: int
    media_type: str
    artifact_type: str | None = None
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


class Index(ForeignRecord, frozen=True, kw_only=True, omit_defaults=True):
    """One descriptor per platform."""

    schema_version: int
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str] = {}
