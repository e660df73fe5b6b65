"""A hash is taken up only for the very file it was made of, and never one that may have changed."""

import os
from pathlib import Path

import pytest

from shipmark.digest import Digest
from shipmark.package.complaints import Complaints
from shipmark.package.directory import scan_directory
from shipmark.package.tree import hash_files
from shipmark.store import Store
from shipmark.store.file_hashes import KIND, SMALL_BYTES, FileHashes, is_stale

OLD_NS = 10**18


@pytest.fixture
def hashes(tmp_path: Path) -> FileHashes:
    return FileHashes(Store(tmp_path / "store"))


def weights(folder: Path, data: bytes = b"w" * SMALL_BYTES) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "weights.bin"
    path.write_bytes(data)
    return path


def age(root: Path) -> None:
    """Let what is remembered be of ten seconds later."""
    for record in (root / "cache" / KIND).glob("*.json"):
        later = record.stat().st_mtime_ns + 10 * 10**9
        os.utime(record, ns=(later, later))


def test_taken_up_once_it_cannot_be_a_race(hashes: FileHashes, tmp_path: Path) -> None:
    path = weights(tmp_path / "package")
    hashes.remember(path, path.stat(), "00")
    assert hashes.recall(path, path.stat()) is None
    age(tmp_path / "store")
    assert hashes.recall(path, path.stat()) == "00"


@pytest.mark.parametrize("change", ["write", "touch", "replace", "grow", "mode"])
def test_another_file_is_not_taken_for_it(hashes: FileHashes, tmp_path: Path, change: str) -> None:
    path = weights(tmp_path / "package")
    os.utime(path, ns=(OLD_NS, OLD_NS))
    hashes.remember(path, path.stat(), "00")
    age(tmp_path / "store")
    match change:
        case "write":
            with path.open("r+b") as stream:
                stream.write(b"?")
            os.utime(path, ns=(OLD_NS, OLD_NS))  # the inode's own time tells
        case "touch":
            path.touch()
        case "replace":
            other = tmp_path / "package" / "other"
            other.write_bytes(path.read_bytes())
            os.utime(other, ns=(OLD_NS, OLD_NS))
            other.rename(path)
        case "grow":
            os.truncate(path, SMALL_BYTES + 1)
        case _:
            path.chmod(0o600)
    assert hashes.recall(path, path.stat()) is None


def test_small_files_are_not_kept(hashes: FileHashes, tmp_path: Path) -> None:
    path = weights(tmp_path / "package", b"small")
    hashes.remember(path, path.stat(), "00")
    assert not (tmp_path / "store").exists()


def test_what_cannot_be_kept_is_hashed_again(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the store should be")
    hashes = FileHashes(Store(tmp_path / "store"))
    path = weights(tmp_path / "package")
    hashes.remember(path, path.stat(), "00")
    assert hashes.recall(path, path.stat()) is None


def test_a_record_is_stale_once_its_file_is_gone(hashes: FileHashes, tmp_path: Path) -> None:
    path = weights(tmp_path / "package")
    hashes.remember(path, path.stat(), "00")
    (record,) = (tmp_path / "store" / "cache" / KIND).glob("*.json")
    recalled = Store(tmp_path / "store").recall(KIND, _key_of(record))
    assert recalled is not None
    assert not is_stale(recalled)
    path.unlink()
    assert is_stale(recalled)
    assert is_stale(b"{")


def _key_of(record: Path) -> Digest:
    return Digest(f"sha256:{record.stem}")


def test_weights_that_change_and_change_again_are_never_taken_for_the_earlier_ones(
    hashes: FileHashes, tmp_path: Path
) -> None:
    """Also where a file system's clock is too coarse to tell the changes apart."""
    for letter in (b"a", b"b", b"a", b"a", b"b"):
        path = weights(tmp_path / "package", letter * SMALL_BYTES)
        second = path.stat().st_mtime_ns // 10**9 * 10**9
        os.utime(path, ns=(second, second))
        for _ in range(2):
            complaints = Complaints("package")
            tree = scan_directory(tmp_path / "package", complaints)
            assert hash_files(tree, complaints, hashes) == hash_files(tree, complaints)


def test_known_weights_are_not_read(
    hashes: FileHashes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights(tmp_path / "package")
    complaints = Complaints("package")
    tree = scan_directory(tmp_path / "package", complaints)
    first = hash_files(tree, complaints, hashes)
    age(tmp_path / "store")
    monkeypatch.setattr("shipmark.package.tree._read", lambda *_: pytest.fail("it was read"))
    assert hash_files(tree, complaints, hashes) == first
