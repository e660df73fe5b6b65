"""An image leaves the store as a layout or a docker-archive, whole or not at all."""

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from shipmark.digest import Digest
from shipmark.errors import ShipmarkError
from shipmark.oci.archive import write_archive
from shipmark.oci.config import ImageConfig, RootFs
from shipmark.oci.descriptor import (
    CONFIG,
    INDEX,
    LAYER_GZIP,
    LAYER_TAR,
    MANIFEST,
    Descriptor,
    Platform,
    canonical,
)
from shipmark.oci.graph import pick, reachable, read_index, read_manifest
from shipmark.oci.layout import write_layout
from shipmark.oci.manifest import Index, Manifest
from shipmark.store import Store


def descriptor(store: Store, media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=store.put(data), size=len(data))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def index(store: Store) -> Digest:
    """Two platforms that share a layer; one layer stands twice."""
    shared = descriptor(store, LAYER_TAR, b"shared")
    images = []
    for architecture in ("amd64", "arm64"):
        own = descriptor(store, LAYER_GZIP, architecture.encode())
        config = ImageConfig(
            architecture=architecture, os="linux", rootfs=RootFs(type="layers", diff_ids=())
        )
        manifest = Manifest(
            schema_version=2,
            media_type=MANIFEST,
            config=descriptor(store, CONFIG, canonical(config)),
            layers=(shared, own, shared),
        )
        data = canonical(manifest)
        images.append(
            Descriptor(
                media_type=MANIFEST,
                digest=store.put(data),
                size=len(data),
                platform=Platform(architecture=architecture, os="linux"),
            )
        )
    return store.put(canonical(Index(schema_version=2, media_type=INDEX, manifests=tuple(images))))


def test_everything_reachable_comes_once_and_before_what_points_to_it(
    store: Store, index: Digest
) -> None:
    found = list(reachable(store, index))
    assert len(found) == len(set(found)) == 1 + 2 + 2 + 2 + 1
    assert found[-1] == index
    for image in read_index(store, index).manifests:
        manifest = read_manifest(store, image.digest)
        for blob in (*manifest.layers, manifest.config):
            assert found.index(blob.digest) < found.index(image.digest)


def test_picks_a_platform_or_names_those_it_has(store: Store, index: Digest) -> None:
    read = read_index(store, index)
    assert pick(read, "linux/arm64").platform == Platform(architecture="arm64", os="linux")
    with pytest.raises(ShipmarkError, match="linux/amd64, linux/arm64"):
        pick(read, "linux/s390x")


def test_a_blob_of_another_kind_is_refused(store: Store, index: Digest) -> None:
    with pytest.raises(ShipmarkError, match="cannot be read as"):
        read_manifest(store, index)
    image = store.read(pick(read_index(store, index), "linux/amd64").digest)
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    with pytest.raises(ShipmarkError, match=re.escape(f"is a {docker}")):
        read_manifest(store, store.put(image.replace(MANIFEST.encode(), docker.encode())))
    with pytest.raises(ShipmarkError, match="cannot be read"):
        read_index(store, store.put(b"no json"))


def test_a_layout_holds_the_very_blobs(store: Store, index: Digest, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "layout"
    write_layout(store, index, folder, name="digits")
    assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    [entry] = json.loads((folder / "index.json").read_bytes())["manifests"]
    assert entry["digest"] == index
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "digits"
    blobs = names(folder / "blobs" / "sha256")
    assert blobs == sorted(digest.removeprefix("sha256:") for digest in reachable(store, index))
    assert names(folder.parent) == ["layout"]


def test_a_layout_is_replaced_but_nothing_else_is(
    store: Store, index: Digest, tmp_path: Path
) -> None:
    folder = tmp_path / "layout"
    write_layout(store, index, folder, name="one")
    write_layout(store, index, folder, name="two")
    assert b'"two"' in (folder / "index.json").read_bytes()
    assert names(tmp_path) == ["layout", "store"]
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("keep me")
    with pytest.raises(ShipmarkError, match="something else lies there"):
        write_layout(store, index, other, name="x")
    assert (other / "thesis.txt").read_text() == "keep me"


def test_a_layout_with_a_blob_missing_is_not_written(
    store: Store, index: Digest, tmp_path: Path
) -> None:
    missing = next(reachable(store, index))
    store.path(missing).unlink()
    with pytest.raises(ShipmarkError):
        write_layout(store, index, tmp_path / "layout", name="x")
    assert names(tmp_path) == ["store"]


def test_an_archive_is_deterministic_and_names_its_parts(store: Store, index: Digest) -> None:
    manifest = pick(read_index(store, index), "linux/amd64").digest
    one, two = io.BytesIO(), io.BytesIO()
    write_archive(store, manifest, one, tags=["digits:1"])
    write_archive(store, manifest, two, tags=["digits:1"])
    assert one.getvalue() == two.getvalue()
    one.seek(0)
    with tarfile.open(fileobj=one) as archive:
        listing = archive.extractfile("manifest.json")
        assert listing is not None
        [contents] = json.loads(listing.read())
        assert contents["RepoTags"] == ["digits:1"]
        layers = [archive.extractfile(name) for name in contents["Layers"]]
        assert [layer and layer.read() for layer in layers] == [b"shared", b"amd64", b"shared"]
        config = archive.extractfile(contents["Config"])
        assert config is not None
        assert json.loads(config.read())["architecture"] == "amd64"
