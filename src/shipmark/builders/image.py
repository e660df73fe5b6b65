"""Configs, manifests and indexes of the images that a lock gives. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from shipmark import digest as digests
from shipmark.builders.base import USER_ID
from shipmark.builders.layers import BuiltLayer
from shipmark.digest import Digest
from shipmark.lock import text
from shipmark.lock.lock import Deb, Lock, Wheel
from shipmark.oci.config import RESOURCE_LABEL, History, ImageConfig, RootFs, RunConfig
from shipmark.oci.descriptor import (
    CONFIG,
    EMPTY,
    INDEX,
    MANIFEST,
    Descriptor,
    Platform,
    canonical,
)
from shipmark.oci.manifest import Index, Manifest
from shipmark_serve.contract.model import IMAGE_ROOT

MATERIALS = "application/vnd.shipmark.materials.v1"
PORT = 8080
NOTHING = b"{}"
"""The content of the empty descriptor."""

_DEB = "application/vnd.debian.binary-package"
_WHEEL = "application/zip"
_TITLE = "org.opencontainers.image.title"
_ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108  # the only place in an image that any user may write to
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


def config(lock: Lock, platform: Platform, layers: Sequence[BuiltLayer]) -> bytes:
    """The image configuration."""
    created = _time(lock.epoch)
    environment = _ENVIRONMENT | lock.env
    return canonical(
        ImageConfig(
            architecture=platform.architecture,
            os=platform.os,
            variant=platform.variant or "",
            created=created,
            config=RunConfig(
                user=f"{USER_ID}:{USER_ID}",
                exposed_ports={f"{PORT}/tcp": {}},
                env=tuple(f"{key}={environment[key]}" for key in sorted(environment)),
                entrypoint=(f"/usr/bin/python{lock.python}", "-P", "-s", "-m", "shipmark_serve"),
                working_dir=IMAGE_ROOT,
                labels=_labels(lock),
                stop_signal="SIGTERM",
            ),
            rootfs=RootFs(type="layers", diff_ids=tuple(layer.diff_id for layer in layers)),
            history=tuple(
                History(created=created, created_by=f"shipmark: {layer.title}") for layer in layers
            ),
        )
    )


def manifest(lock: Lock, config: bytes, layers: Sequence[BuiltLayer]) -> bytes:
    """The image manifest."""
    return canonical(
        Manifest(
            schema_version=2,
            media_type=MANIFEST,
            config=_descriptor(CONFIG, config),
            layers=tuple(layer.descriptor for layer in layers),
            annotations=_annotations(lock),
        )
    )


def index(lock: Lock, manifests: Mapping[str, bytes]) -> bytes:
    """The image index.

    Args:
        lock: What the images were built from.
        manifests: By platform, such as `linux/amd64`.
    """
    images = (_image(platform, manifests[platform]) for platform in sorted(manifests))
    return canonical(
        Index(
            schema_version=2,
            media_type=INDEX,
            manifests=tuple(images),
            annotations=_annotations(lock),
        )
    )


def materials(lock: Lock, platforms: Sequence[str], has: Callable[[Digest], bool]) -> bytes:
    """The manifest of an artifact that holds every file the images of these platforms need.

    Args:
        lock: What the images were built from.
        platforms: Those that were built.
        has: Tells which build Pythons are here; one is enough to build, and only the host's own
            need be.
    """
    layers = {blob.digest: blob for blob in _materials(lock, platforms, has)}
    return canonical(
        Manifest(
            schema_version=2,
            media_type=MANIFEST,
            artifact_type=MATERIALS,
            config=_descriptor(EMPTY, NOTHING),
            layers=tuple(layers[digest] for digest in sorted(layers)),
            annotations=_annotations(lock),
        )
    )


def parse_platform(platform: str) -> Platform:
    """Read `os/architecture[/variant]`."""
    os, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    return Platform(os=os, architecture=architecture, variant=variant or None)


def _image(platform: str, data: bytes) -> Descriptor:
    return Descriptor(
        media_type=MANIFEST,
        digest=digests.of_bytes(data),
        size=len(data),
        platform=parse_platform(platform),
    )


def _materials(
    lock: Lock, platforms: Sequence[str], has: Callable[[Digest], bool]
) -> Iterator[Descriptor]:
    for platform in platforms:
        yield from map(_deb, lock.platforms[platform].debs)
        yield from map(_wheel, lock.platforms[platform].wheels)
    for packages in lock.build_python.values():
        found = [_deb(package) for package in packages]
        if all(has(blob.digest) for blob in found):
            yield from found
    yield _wheel(lock.server)


def _deb(deb: Deb) -> Descriptor:
    return _titled(_DEB, deb.sha256, deb.size, deb.path.rpartition("/")[2])


def _wheel(wheel: Wheel) -> Descriptor:
    return _titled(_WHEEL, wheel.sha256, wheel.size, wheel.filename)


def _titled(media_type: str, sha256: str, size: int, title: str) -> Descriptor:
    return Descriptor(
        media_type=media_type,
        digest=digests.from_hex(sha256),
        size=size,
        annotations={_TITLE: title},
    )


def _descriptor(media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=digests.of_bytes(data), size=len(data))


def _annotations(lock: Lock) -> dict[str, str]:
    return {
        "org.opencontainers.image.created": _time(lock.epoch),
        _TITLE: lock.model.name,
        "org.opencontainers.image.version": lock.model.version,
    }


def _labels(lock: Lock) -> dict[str, str]:
    labels = _annotations(lock) | {
        "dev.shipmark.base": f"debian:{lock.suite}" if lock.base is None else lock.base,
        "dev.shipmark.python": lock.python_exact,
        "dev.shipmark.runtime": lock.model.runtime,
        "dev.shipmark.lock.digest": text.digest(lock),
        "dev.shipmark.code.digest": lock.model.code_digest,
    }
    if lock.model.weights_digest is not None:
        labels["dev.shipmark.weights.digest"] = lock.model.weights_digest
    return labels | {f"{RESOURCE_LABEL}{key}": value for key, value in lock.resources.items()}


def _time(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
