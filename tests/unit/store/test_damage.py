"""A blob whose file was touched is never taken for what its name says, and is put right."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shipmark.digest import of_bytes
from shipmark.errors import DigestMismatch, ShipmarkError
from shipmark.store import Store

DATA = bytes(range(256)) * 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def truncate(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"?")


def empty(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"")


def delete(path: Path) -> None:
    path.unlink()


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").touch()


def replace_by_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES: list[Callable[[Path], None]] = [
    truncate,
    flip,
    empty,
    delete,
    replace_by_directory,
    replace_by_dangling_link,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_counts_as_missing_and_is_put_right(
    store: Store, damage: Callable[[Path], None]
) -> None:
    digest = store.put(DATA)
    damage(store.path(digest))
    assert not store.has(digest)
    with pytest.raises(ShipmarkError):
        store.open(digest)
    assert store.put(DATA) == digest
    assert store.has(digest)
    assert store.read(digest) == DATA
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_it_is_adopted_again(store: Store, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    file = tmp_path / "download"
    file.write_bytes(DATA)
    digest = store.adopt(file, of_bytes(DATA))
    damage(store.path(digest))
    file.unlink()  # damaged with it, where the two are one file
    file.write_bytes(DATA)
    assert store.adopt(file, digest) == digest
    assert store.read(digest) == DATA


def test_a_changed_blob_is_told_and_removed(store: Store) -> None:
    for look in (store.verify, store.read):
        digest = store.put(DATA)
        flip(store.path(digest))
        with pytest.raises(DigestMismatch, match="has digest") as caught:
            look(digest)
        assert caught.value.expected == digest
        assert "removed" in caught.value.hint
        with pytest.raises(ShipmarkError, match="not in the store"):
            look(digest)


def test_what_leaves_the_date_alone_is_found_by_reading(store: Store) -> None:
    """As a failing disk does it."""
    digest = store.put(DATA)
    before = store.path(digest).stat()
    flip(store.path(digest))
    os.utime(store.path(digest), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.has(digest)
    with pytest.raises(DigestMismatch):
        store.verify(digest)
    assert not store.has(digest)


def test_put_heals_what_leaves_the_date_alone(store: Store) -> None:
    digest = store.put(DATA)
    before = store.path(digest).stat()
    flip(store.path(digest))
    os.utime(store.path(digest), ns=(before.st_atime_ns, before.st_mtime_ns))
    store.put(DATA)
    assert store.read(digest) == DATA


def test_an_untouched_blob_is_not_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.put(DATA)
    assert store.path(digest).stat().st_mode & 0o777 == 0o444
    monkeypatch.setattr(store, "verify", lambda _: pytest.fail("it was read"))
    assert store.has(digest)


def test_a_copied_store_is_read_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.put(DATA)
    shutil.copytree(store.root, tmp_path / "copy", copy_function=shutil.copyfile)
    copy = Store(tmp_path / "copy")
    assert copy.has(digest)
    monkeypatch.setattr(copy, "verify", lambda _: pytest.fail("it was read again"))
    assert copy.has(digest)


def test_writing_through_the_other_name_of_an_adopted_file_is_seen(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "download"
    file.write_bytes(DATA)
    digest = store.adopt(file, of_bytes(DATA))
    assert store.path(digest).samefile(file)
    flip(file)
    assert not store.has(digest)
