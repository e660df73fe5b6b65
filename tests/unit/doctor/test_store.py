"""The checks of store and images find damage, losses and leftovers, and name the files."""

import fcntl
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipmark.digest import Digest
from shipmark.doctor import images
from shipmark.doctor import store as store_check
from shipmark.oci import descriptor as oci
from shipmark.oci.descriptor import Descriptor, Platform
from shipmark.oci.manifest import Index, Manifest
from shipmark.store import ImageRecord, Store

NOW = datetime.now(UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def damage(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def put(store: Store, media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type=media_type, digest=store.put(data), size=len(data))


def put_manifest(store: Store, layer: bytes) -> Descriptor:
    manifest = Manifest(
        schema_version=2,
        media_type=oci.MANIFEST,
        config=put(store, oci.CONFIG, b"{}"),
        layers=(put(store, oci.LAYER_TAR, layer),),
    )
    return put(store, oci.MANIFEST, oci.canonical(manifest))


@pytest.fixture
def layer(store: Store) -> Digest:
    """The layer of an image called `digits`, whose materials hold one deb."""
    manifest = put_manifest(store, b"layer")
    index = Index(
        schema_version=2,
        media_type=oci.INDEX,
        manifests=(
            Descriptor(
                media_type=oci.MANIFEST,
                digest=manifest.digest,
                size=manifest.size,
                platform=Platform(architecture="amd64", os="linux"),
            ),
        ),
    )
    store.tag(
        ImageRecord(
            name="digits",
            version="1",
            index=store.put(oci.canonical(index)),
            materials=put_manifest(store, b"a deb").digest,
        )
    )
    return store.put(b"layer")


def test_a_sound_store(store: Store, layer: Digest) -> None:
    finding = store_check.check(store.root, now=NOW)

    assert finding.status == "ok"
    assert "all read through" in finding.found
    assert images.check(store).found == "digits"
    assert images.check(store).status == "ok"


def test_no_store_at_all(store: Store) -> None:
    assert store_check.check(store.root, now=NOW).status == "ok"
    assert images.check(store).status == "ok"
    assert not store.root.exists()


def test_changed_bytes_are_found_and_the_file_is_named(store: Store, layer: Digest) -> None:
    damage(store.path(layer), b"lAyer")

    finding = store_check.check(store.root, now=NOW)

    assert finding.status == "failed"
    assert "1 blob" in finding.found
    assert f"rm -f {store.path(layer)}" in finding.mend
    assert images.check(store).status == "ok", "the size is right; reading is the store's check"


def test_what_a_power_failure_left_of_a_blob(store: Store, layer: Digest) -> None:
    damage(store.path(layer), b"")

    assert store_check.check(store.root, now=NOW).status == "failed"
    finding = images.check(store)
    assert finding.status == "failed"
    assert f"digits: {store.path(layer)} has 0 bytes, not 5" in finding.found


def test_an_image_that_lacks_a_layer(store: Store, layer: Digest) -> None:
    store.path(layer).unlink()

    finding = images.check(store)

    assert finding.status == "failed"
    assert finding.found == f"digits: the blob {layer} is missing"
    assert "build the package of digits again" in finding.mend


def test_an_image_that_lacks_a_material_still_starts(store: Store, layer: Digest) -> None:
    store.path(store.put(b"a deb")).unlink()

    finding = images.check(store)

    assert finding.status == "warning"
    assert "a material of digits" in finding.found


def test_a_record_that_cannot_be_read(store: Store, layer: Digest) -> None:
    (store.root / "images" / "other.json").write_text("{")

    finding = images.check(store)

    assert finding.status == "failed"
    assert "other.json cannot be read" in finding.found


def test_what_is_left_over_is_told_from_what_is_being_written(store: Store, layer: Digest) -> None:
    old, fresh = store.root / "tmp" / "old one", store.root / "tmp" / "fresh"
    old.mkdir(parents=True)
    fresh.write_text("")
    before = (NOW - timedelta(days=2)).timestamp()
    os.utime(old, (before, before))

    finding = store_check.check(store.root, now=NOW)

    assert finding.status == "warning"
    assert finding.mend == f"rm -rf '{old}'"


def test_a_store_on_a_network_file_system(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_check, "file_system", lambda _: "nfs4")

    finding = store_check.check(store.root, now=NOW)

    assert finding.status == "warning"
    assert "nfs4" in finding.found


def test_a_store_on_which_no_locks_hold(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    store.root.mkdir()

    finding = store_check.check(store.root, now=NOW)

    assert finding.status == "failed"
    assert "No locks available" in finding.found
