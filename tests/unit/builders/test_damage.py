"""Whatever is damaged in the store, a build is right in the end or says what is wrong."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shipmark import digest as digests
from shipmark.builders import Built, assemble
from shipmark.digest import Digest
from shipmark.errors import DigestMismatch, ShipmarkError
from shipmark.lock.lock import Lock
from shipmark.oci.archive import write_archive
from shipmark.oci.graph import reachable, read_manifest
from shipmark.oci.layout import write_layout
from shipmark.progress import Silent
from shipmark.store import Store
from tests.unit.builders.materials import Folder, Yard, folder

AMD64 = "linux/amd64"


def cut(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rot(path: Path) -> None:
    """As a failing disk does it: the date of the file does not tell."""
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def delete(path: Path) -> None:
    path.unlink()


def replace_by_directory(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


SEEN: list[Callable[[Path], None]] = [cut, flip, delete, replace_by_directory]


class Case:
    """A built image whose blobs are then damaged."""

    def __init__(self, root: Path) -> None:
        self.yard = Yard(root)
        self.source: Folder = folder()
        self.lock: Lock = self.yard.lock(self.source)
        self.built = self.build()

    def build(self) -> Built:
        return assemble(
            self.lock, self.source, store=self.yard.store, platforms=[AMD64], progress=Silent()
        )

    def obtain(self) -> None:
        """Put the debs and wheels that are not there, or not right, as the lock would."""
        self.yard.lock(self.source)

    def blob(self, kind: str) -> Digest:
        image = self.built.images[AMD64]
        layers = {layer.title: layer.digest for layer in image.layers}
        platform = self.lock.platforms[AMD64]
        return {
            "layer": layers["base"],
            "weights": layers["weights"],
            "config": image.config,
            "manifest": image.manifest,
            "index": self.built.index,
            "materials": self.built.materials,
            "deb": digests.from_hex(platform.debs[0].sha256),
            "wheel": digests.from_hex(platform.wheels[0].sha256),
        }[kind]

    def check(self) -> None:
        store = self.yard.store
        for digest in reachable(store, self.built.index):
            store.verify(digest)
        for material in read_manifest(store, self.built.materials).layers:
            store.verify(material.digest)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "store")


KINDS = ["layer", "weights", "config", "manifest", "index", "materials", "deb", "wheel"]


@pytest.mark.parametrize("damage", SEEN)
@pytest.mark.parametrize("kind", KINDS)
def test_the_next_build_puts_it_right(
    case: Case, kind: str, damage: Callable[[Path], None]
) -> None:
    damage(case.yard.store.path(case.blob(kind)))
    case.obtain()
    again = case.build()
    assert (again.index, again.materials) == (case.built.index, case.built.materials)
    case.check()


@pytest.mark.parametrize("kind", ["config", "manifest", "index", "materials"])
def test_rot_in_a_document_is_put_right(case: Case, kind: str) -> None:
    rot(case.yard.store.path(case.blob(kind)))
    assert case.build().index == case.built.index
    case.check()


@pytest.mark.parametrize("kind", ["deb", "wheel"])
def test_rot_in_a_material_is_found_when_it_is_used(case: Case, kind: str) -> None:
    path = case.yard.store.path(case.blob(kind))
    rot(path)
    for layer in case.built.images[AMD64].layers:
        case.yard.store.path(layer.digest).unlink()
    with pytest.raises(DigestMismatch, match=path.name) as caught:
        case.build()
    assert "build again" in caught.value.hint
    case.obtain()
    assert case.build().index == case.built.index
    case.check()


@pytest.mark.parametrize("kind", ["layer", "weights", "config", "manifest", "index"])
@pytest.mark.parametrize("damage", [*SEEN, rot])
def test_no_damaged_image_is_exported(
    case: Case, tmp_path: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    digest = case.blob(kind)
    damage(case.yard.store.path(digest))
    with pytest.raises(ShipmarkError, match=digest.removeprefix("sha256:")) as caught:
        write_layout(case.yard.store, case.built.index, tmp_path / "layout", name="1")
    assert "build" in caught.value.hint
    assert not (tmp_path / "layout").exists()
    if kind != "index":
        case.build()
        damage(case.yard.store.path(digest))
        with (
            (tmp_path / "image.tar").open("wb") as out,
            pytest.raises(ShipmarkError, match=digest.removeprefix("sha256:")),
        ):
            write_archive(case.yard.store, case.blob("manifest"), out, tags=[])
    assert case.build().index == case.built.index
    write_layout(case.yard.store, case.built.index, tmp_path / "layout", name="1")


def test_a_store_that_was_copied_gives_the_same_image(case: Case, tmp_path: Path) -> None:
    """Without dates and rights, as careless copies are."""
    shutil.copytree(case.yard.store.root, tmp_path / "copy", copy_function=shutil.copyfile)
    case.yard.store = Store(tmp_path / "copy")
    again = case.build()
    assert again.index == case.built.index
    assert all(layer.cached for layer in again.images[AMD64].layers)
