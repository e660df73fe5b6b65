"""Image configurations. Source: OCI image specification, "Image Configuration"."""

from shipmark.digest import Digest
from shipmark_serve.contract.records import ForeignRecord

RESOURCE_LABEL = "dev.shipmark.resources."
"""Labels with what a replica of the image may use: `...cpus`, `...memory`, `...gpus`."""


class RunConfig(ForeignRecord, frozen=True, kw_only=True, omit_defaults=True, rename="pascal"):
    """How a container of the image starts."""

    user: str = ""
    exposed_ports: dict[str, dict[str, str]] = {}
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    labels: dict[str, str] = {}
    stop_signal: str = ""


class RootFs(ForeignRecord, frozen=True, kw_only=True, rename=None):
    """The uncompressed layers, lowest first."""

    type: str
    diff_ids: tuple[Digest, ...]


class History(ForeignRecord, frozen=True, kw_only=True, omit_defaults=True, rename=None):
    """What made a layer."""

    created: str = ""
    created_by: str = ""
    empty_layer: bool = False


class ImageConfig(ForeignRecord, frozen=True, kw_only=True, omit_defaults=True, rename=None):
    """The configuration blob; its digest is Docker's image ID."""

    architecture: str
    os: str
    variant: str = ""
    created: str = ""
    config: RunConfig = RunConfig()
    rootfs: RootFs
    history: tuple[History, ...] = ()
