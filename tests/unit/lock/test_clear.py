"""Emptying the cache of downloads takes away what nobody is fetching, and nothing else."""

import fcntl
from pathlib import Path

import pytest

from shipmark.digest import of_bytes
from shipmark.lock.clear import clear
from shipmark.store import Store
from shipmark.store.removal import Removal


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for path in (
        "sha256/aa",
        "partial/bb",
        "partial/cc",
        "tmp/place-dd",
        "uv/wheels/x",
        "places/e",
    ):
        (tmp_path / "cache" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / path).write_bytes(b"data")
    return tmp_path / "cache"


def left(cache: Path) -> list[str]:
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


def test_all_but_what_is_being_fetched_goes(cache: Path, tmp_path: Path) -> None:
    with (cache / "partial" / "cc").open("rb+") as fetching:
        fcntl.flock(fetching, fcntl.LOCK_EX)
        clear(cache, Removal(trash=tmp_path / "trash", dry_run=True))
        assert len(left(cache)) == 6
        clear(cache, Removal(trash=tmp_path / "trash", dry_run=False))
    assert left(cache) == ["partial/cc", "places/e"]
    clear(cache, Removal(trash=tmp_path / "trash", dry_run=False))
    assert left(cache) == ["places/e"]
    clear(tmp_path / "nowhere", Removal(trash=tmp_path / "trash", dry_run=False))


def test_what_the_store_holds_stays_in_the_store(cache: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digest = store.adopt(cache / "sha256" / "aa", of_bytes(b"data"))
    removal = Removal(trash=tmp_path / "trash", dry_run=False)
    clear(cache, removal)
    assert store.read(digest) == b"data"
    aa = next(each for each in removal.removed if each.path.name == "aa")
    others = sum(each.size_bytes for each in removal.removed) - aa.size_bytes
    assert removal.freed_bytes == others
