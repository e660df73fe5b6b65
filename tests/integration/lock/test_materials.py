"""What a lock names comes into the store by hash, and with all of it there no network is used."""

from pathlib import Path

import msgspec
import pytest

from shipmark import digest as digests
from shipmark.errors import DigestMismatch, DownloadFailed, LockOutdated
from shipmark.lock.lock import Lock
from shipmark.store import Store
from tests.integration.lock.conftest import Harbour
from tests.unit.lock.loopback import Fault
from tests.unit.lock.samples import package

GREET = "greet-1.0-py3-none-any.whl"


@pytest.fixture
def lock(harbour: Harbour) -> Lock:
    harbour.index.add("greet", "1.0")
    return harbour.lock(package("greet"))


def everything(lock: Lock) -> set[str]:
    locked = lock.platforms["linux/amd64"]
    wheels = (*locked.wheels, lock.server)
    return {deb.sha256 for deb in locked.debs} | {wheel.sha256 for wheel in wheels}


def empty_caches(harbour: Harbour, tmp_path: Path) -> None:
    harbour.configure(cache=tmp_path / "other-cache")
    harbour.store = Store(tmp_path / "other-store")
    harbour.server.requests.clear()


def test_all_of_it_comes_into_the_store(harbour: Harbour, lock: Lock) -> None:
    harbour.obtain(lock)
    assert all(harbour.store.has(digests.from_hex(sha256)) for sha256 in everything(lock))
    harbour.server.requests.clear()
    harbour.obtain(lock)
    assert harbour.server.requests == []


def test_an_emptied_store_is_filled_from_the_downloads(
    harbour: Harbour, lock: Lock, tmp_path: Path
) -> None:
    harbour.obtain(lock)
    harbour.server.requests.clear()
    harbour.obtain(lock, Store(tmp_path / "other"))
    assert harbour.server.requests == []


def test_another_host_finds_the_wheels_in_its_own_index(
    harbour: Harbour, lock: Lock, tmp_path: Path
) -> None:
    empty_caches(harbour, tmp_path)
    harbour.obtain(lock)
    assert all(harbour.store.has(digests.from_hex(sha256)) for sha256 in everything(lock))
    assert harbour.server.asked("/simple/greet/")


def test_another_host_finds_a_wheel_in_a_directory(
    harbour: Harbour, lock: Lock, tmp_path: Path
) -> None:
    body = harbour.server.files.pop(f"/files/{GREET}")
    del harbour.server.files["/simple/greet/"]
    empty_caches(harbour, tmp_path)
    with pytest.raises(DownloadFailed, match="in no index or directory"):
        harbour.obtain(lock)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / GREET).write_bytes(body)
    harbour.configure(find_links=(str(tmp_path / "wheels"),))
    harbour.obtain(lock)


def test_a_wheel_that_moved_is_looked_up_again(
    harbour: Harbour, lock: Lock, tmp_path: Path
) -> None:
    harbour.obtain(lock)
    (sha256,) = [w.sha256 for w in lock.platforms["linux/amd64"].wheels if w.name == "greet"]
    (harbour.sources.cache / "sha256" / sha256).unlink()
    body = harbour.server.files.pop(f"/files/{GREET}")
    harbour.server.files[f"/new/{GREET}"] = body
    harbour.server.page("/simple/greet/", {GREET: f"/new/{GREET}#sha256={sha256}"})
    harbour.obtain(lock, Store(tmp_path / "other"))
    assert harbour.server.asked(f"/new/{GREET}")


def test_a_wheel_that_was_replaced_is_refused_with_both_hashes(
    harbour: Harbour, lock: Lock, tmp_path: Path
) -> None:
    other = harbour.index.add_file("greet", GREET, b"other bytes")
    empty_caches(harbour, tmp_path)
    with pytest.raises(DigestMismatch) as caught:
        harbour.obtain(lock)
    assert caught.value.actual == f"sha256:{other}"
    assert caught.value.expected.removeprefix("sha256:") in everything(lock)


def test_a_deb_with_other_bytes_is_refused_with_both_hashes(harbour: Harbour, lock: Lock) -> None:
    deb = lock.platforms["linux/amd64"].debs[0]
    harbour.server.files[f"/debian/{deb.path}"] = bytes(deb.size)
    with pytest.raises(DigestMismatch) as caught:
        harbour.obtain(lock)
    assert deb.name in caught.value.message
    assert caught.value.expected == f"sha256:{deb.sha256}"
    assert not harbour.store.has(digests.from_hex(deb.sha256))


def test_a_deb_that_the_mirror_dropped_is_told_with_the_ways_out(
    harbour: Harbour, lock: Lock
) -> None:
    harbour.debian.versions["libc6"] = "2.36-10"
    harbour.debian.publish()
    with pytest.raises(DownloadFailed) as caught:
        harbour.obtain(lock)
    (sha256,) = {each.sha256 for each in lock.platforms["linux/amd64"].debs if each.name == "libc6"}
    told = f"the Debian package libc6 2.36-9 (sha256:{sha256}) is not there any more"
    assert told in caught.value.message
    assert "--upgrade base" in caught.value.hint
    assert "snapshot.debian.org" in caught.value.hint


def test_a_cut_off_download_is_resumed(harbour: Harbour, lock: Lock) -> None:
    deb = lock.platforms["linux/amd64"].debs[0]
    harbour.server.fail(f"/debian/{deb.path}", Fault(cut_at=100), Fault(status=503))
    harbour.obtain(lock)
    first, second, third = harbour.server.asked(f"/debian/{deb.path}")
    assert "Range" not in first.headers
    assert second.headers["Range"] == third.headers["Range"] == "bytes=100-"


def test_a_damaged_download_is_found_and_fetched_anew(
    harbour: Harbour, lock: Lock, tmp_path: Path
) -> None:
    harbour.obtain(lock)
    deb = lock.platforms["linux/amd64"].debs[0]
    cached = harbour.sources.cache / "sha256" / deb.sha256
    cached.unlink()
    cached.write_bytes(b"damaged")
    harbour.obtain(lock, Store(tmp_path / "other"))
    assert Store(tmp_path / "other").has(digests.from_hex(deb.sha256))


def test_another_server_than_this_shipmarks_is_refused(harbour: Harbour, lock: Lock) -> None:
    older = msgspec.structs.replace(lock.server, version="0.0.1", sha256="0" * 64)
    with pytest.raises(LockOutdated) as caught:
        harbour.obtain(msgspec.structs.replace(lock, server=older))
    assert "--upgrade shipmark-serve" in caught.value.hint
