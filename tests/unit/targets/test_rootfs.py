"""Layers are unpacked once, whole or not at all, and never onto a disk that is too small."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from shipmark.digest import Digest
from shipmark.errors import DeployError, DigestMismatch
from shipmark.oci import descriptor as oci
from shipmark.oci.config import ImageConfig
from shipmark.oci.manifest import Manifest
from shipmark.progress import Silent
from shipmark.store import Store
from shipmark.targets.process import durability, rootfs
from tests.integration.targets import images
from tests.integration.targets.images import Image


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _unpack(store: Store, image: Image) -> tuple[Path, ...]:
    manifest = msgspec.json.decode(store.read(image.manifest), type=Manifest)
    config = msgspec.json.decode(store.read(image.config), type=ImageConfig)
    return rootfs.unpack(store, manifest, config, Silent())


def _debris(store: Store) -> list[Path]:
    return [
        path
        for folder in ("unpacked", "tmp")
        if (store.root / folder).is_dir()
        for path in (store.root / folder).iterdir()
    ]


def _image(store: Store, diff_ids: list[Digest] | None = None) -> Image:
    layers = [images.tar({f"layer-{number}": bytes(1000)}) for number in range(4)]
    return images.put_image(store, layers, diff_ids=diff_ids)


def test_layers_come_in_order_and_stay(store: Store) -> None:
    image = _image(store)
    first = _unpack(store, image)
    assert [sorted(file.name for file in path.iterdir()) for path in first] == [
        [f"layer-{number}"] for number in range(4)
    ]
    before = [path.stat().st_ino for path in first]
    assert _unpack(store, image) == first
    assert [path.stat().st_ino for path in first] == before


def test_many_at_once_unpack_each_layer_once(store: Store) -> None:
    image = _image(store)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: _unpack(store, image), range(8)))
    assert len(set(results)) == 1
    assert len(_debris(store)) == 4


def test_a_damaged_blob_leaves_nothing(store: Store) -> None:
    image = _image(store)
    manifest = msgspec.json.decode(store.read(image.manifest), type=Manifest)
    blob = store.path(manifest.layers[2].digest)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-20])
    with pytest.raises(DigestMismatch):
        _unpack(store, image)
    assert _debris(store) == []


def test_a_layer_that_was_made_damaged_leaves_nothing(store: Store) -> None:
    image = _image(store)
    manifest = msgspec.json.decode(store.read(image.manifest), type=Manifest)
    cut = store.path(manifest.layers[2].digest).read_bytes()[:-20]
    layers = list(manifest.layers)
    layers[2] = msgspec.structs.replace(layers[2], digest=store.put(cut), size=len(cut))
    changed = msgspec.structs.replace(manifest, layers=tuple(layers))
    with pytest.raises(DeployError, match="damaged"):
        _unpack(store, Image(manifest=store.put(oci.canonical(changed)), config=image.config))
    assert _debris(store) == []


def test_layers_that_the_disk_may_not_have_are_unpacked_again_after_a_restart(
    store: Store,
) -> None:
    image = _image(store)
    first, second, *others = _unpack(store, image)
    before = [path.stat().st_ino for path in (first, second, *others)]
    durability.settle([first])
    for path in (first, second):
        assert not durability.is_lost(path)
    # The host went down: its boot is another one, and the second layer lost what was in it.
    for path in (second, *others):
        os.setxattr(path, "user.shipmark.boot", b"another boot")
    (second / "layer-1").write_bytes(b"")
    assert [durability.is_lost(path) for path in (first, second)] == [False, True]
    assert _unpack(store, image) == (first, second, *others)
    assert (second / "layer-1").read_bytes() == bytes(1000)
    after = [path.stat().st_ino for path in (first, second, *others)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [
        True, False, False, False,
    ]  # fmt: skip
    assert not list((store.root / "tmp").iterdir())


def test_settling_in_the_background_takes_the_marks_away(store: Store) -> None:
    layers = _unpack(store, _image(store))
    durability.settle_meanwhile([str(path) for path in layers])
    deadline = time.monotonic() + 60
    while any("user.shipmark.boot" in os.listxattr(path) for path in layers):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_wrong_diff_id_leaves_nothing(store: Store) -> None:
    wrong = [store.put(bytes([number])) for number in range(4)]
    with pytest.raises(DigestMismatch):
        _unpack(store, _image(store, diff_ids=wrong))
    assert _debris(store) == []


def test_a_disk_too_small_is_refused_before_or_while_writing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = _image(store)
    total = sum(
        layer.size
        for layer in msgspec.json.decode(store.read(image.manifest), type=Manifest).layers
    )
    for room in (0, 2 * total - 12000):
        free = rootfs.RESERVE_BYTES + max(0, room)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(free, 0, free))
        with pytest.raises(DeployError, match="does not fit"):
            _unpack(store, image)
        assert _debris(store) == []
