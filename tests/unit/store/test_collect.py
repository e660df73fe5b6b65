"""gc keeps everything that an image or a deployment needs, and nothing else."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipmark.digest import Digest, of_bytes
from shipmark.errors import ShipmarkError
from shipmark.oci.config import ImageConfig, RootFs
from shipmark.oci.descriptor import (
    CONFIG,
    EMPTY,
    INDEX,
    LAYER_TAR,
    MANIFEST,
    Descriptor,
    canonical,
)
from shipmark.oci.graph import read_index
from shipmark.oci.manifest import Index, Manifest
from shipmark.progress import Silent
from shipmark.store import ImageRecord, Store
from shipmark.store.collect import collect
from shipmark.store.file_hashes import SMALL_BYTES, FileHashes
from shipmark.store.holdings import Holdings
from shipmark.store.removal import Removal


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, data: bytes, media_type: str) -> Descriptor:
    return Descriptor(media_type=media_type, digest=store.put(data), size=len(data))


def make_image(store: Store, name: str, layers: Iterable[str]) -> ImageRecord:
    """A named image; each layer is unpacked and remembered, each has a material of its name."""
    blobs = [put(store, f"layer {layer}".encode(), LAYER_TAR) for layer in layers]
    for blob in blobs:
        unpack(store, blob.digest)
        store.remember("layer", of_bytes(blob.digest.encode()), b"{}", blobs=[blob.digest])
    config = ImageConfig(
        architecture="amd64",
        os="linux",
        rootfs=RootFs(type="layers", diff_ids=tuple(blob.digest for blob in blobs)),
    )
    manifest = Manifest(
        schema_version=2,
        media_type=MANIFEST,
        config=put(store, canonical(config), CONFIG),
        layers=tuple(blobs),
    )
    index = Index(
        schema_version=2,
        media_type=INDEX,
        manifests=(put(store, canonical(manifest), MANIFEST),),
        annotations={"name": name},
    )
    debs = [put(store, f"deb {layer}".encode(), "deb") for layer in layers]
    for deb in debs:
        make_tool(store, deb.digest)
    materials = Manifest(
        schema_version=2,
        media_type=MANIFEST,
        config=put(store, b"{}", EMPTY),
        layers=tuple(debs),
    )
    record = ImageRecord(
        name=name,
        version="1",
        index=store.put(canonical(index)),
        materials=store.put(canonical(materials)),
    )
    store.tag(record)
    return record


def unpack(store: Store, diff_id: Digest) -> None:
    folder = store.unpacked(diff_id) / "etc"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "file").write_bytes(b"x" * 100)


def make_tool(store: Store, deb: Digest) -> None:
    key = of_bytes(b"tool" + deb.encode())
    store.remember("tool", key, b"{}", blobs=[deb])
    (store.tool(key) / "bin").mkdir(parents=True, exist_ok=True)


def everything(store: Store) -> set[str]:
    """All that lies in the store, but for locks and empty folders."""
    return {
        str(path.relative_to(store.root))
        for path in store.root.rglob("*")
        if path.parent != store.root and path.parent.name not in {"tmp", "locks"}
        if path.is_file() or path.parent.name in {"tools", "unpacked"}
    }


def gc(store: Store, deployed: Iterable[Holdings] = (), *, dry_run: bool = False) -> Removal:
    removal = Removal(trash=store.root / "tmp", dry_run=dry_run)
    with store.alone(wait_s=0, progress=Silent()):
        needed = [Holdings.of_image(store, record) for record in store.images()]
        collect(store, [*needed, *deployed], removal)
    return removal


IMAGES = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.tuples(st.booleans(), st.sets(st.sampled_from("123456"), min_size=1, max_size=4)),
)


@settings(max_examples=25, deadline=None)
@given(images=IMAGES)
def test_what_is_left_is_what_the_kept_images_alone_would_have_made(
    tmp_path_factory: pytest.TempPathFactory, images: dict[str, tuple[bool, set[str]]]
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    alone = Store(tmp_path_factory.mktemp("alone"))
    for name, (kept, layers) in images.items():
        make_image(store, name, sorted(layers))
        if kept:
            make_image(alone, name, sorted(layers))
        else:
            store.untag(name)
    before = everything(store)
    would = gc(store, dry_run=True)
    assert everything(store) == before
    done = gc(store)
    assert everything(store) == everything(alone)
    assert [(each.kind, each.path) for each in done.removed] == [
        (each.kind, each.path) for each in would.removed
    ]
    assert done.freed_bytes == would.freed_bytes
    assert gc(store).removed == []


def test_a_deployment_keeps_its_image_and_the_layers_it_was_started_from(store: Store) -> None:
    record = make_image(store, "digits", ["1", "2"])
    other = of_bytes(b"unpacked by an earlier start")
    unpack(store, other)
    (image,) = read_index(store, record.index).manifests
    held = Holdings.of_manifest(store, image.digest)
    store.untag("digits")
    gc(store, [held, Holdings(blobs={}, unpacked=frozenset([other]))])
    assert {f"blobs/sha256/{digest[7:]}" for digest in held.blobs} == {
        path for path in everything(store) if path.startswith("blobs/")
    }
    assert {path.name for path in (store.root / "unpacked").iterdir()} == {
        digest[7:] for digest in (*held.unpacked, other)
    }


def test_what_killed_processes_left_is_swept_away(store: Store) -> None:
    (store.root / "tmp" / "half").mkdir(parents=True)
    (store.root / "tmp" / "half" / "spool").write_bytes(b"x" * 5000)
    (store.root / "tmp" / "blob").write_bytes(b"x")
    removal = gc(store)
    assert {each.kind for each in removal.removed} == {"temporary file"}
    assert removal.freed_bytes >= 5000
    assert store.left() == []


def test_what_is_not_the_stores_is_left_alone(store: Store) -> None:
    notes = [store.root / folder / "notes.txt" for folder in ("blobs/sha256", "unpacked", "cache")]
    for path in notes:
        path.parent.mkdir(parents=True)
        path.touch()
    gc(store)
    assert all(path.exists() for path in notes)


def test_hashes_of_files_stay_until_the_file_changes(store: Store, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(bytes(SMALL_BYTES))
    FileHashes(store).remember(weights, weights.stat(), "00")
    assert gc(store).removed == []
    weights.unlink()
    assert [each.kind for each in gc(store).removed] == ["cache record"]


@pytest.mark.parametrize("which", ["index", "materials"])
def test_what_cannot_be_followed_stops_it_before_anything_is_removed(
    store: Store, which: str
) -> None:
    record = make_image(store, "digits", ["1"])
    make_image(store, "other", ["2"])
    store.untag("other")
    digest = getattr(record, which)
    store.path(digest).unlink()
    before = everything(store)
    with pytest.raises(ShipmarkError, match=digest):
        gc(store)
    assert everything(store) == before
