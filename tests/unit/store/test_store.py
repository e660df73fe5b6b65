"""The store: a name stands for its bytes, whoever writes, and whatever breaks in the middle."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.digest import Digest, of_bytes
from shipmark.errors import DigestMismatch, ShipmarkError
from shipmark.store import ImageRecord, Store

RECORD = ImageRecord(name="digits", version="1", index=of_bytes(b"index"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files(root: Path) -> list[str]:
    """All files but the locks."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != "locks")


# -- blobs -------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_pieces_make_the_blob(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    with store.writer() as writer:
        for piece in pieces:
            writer.write(piece)
        digest = writer.commit()
    whole = b"".join(pieces)
    assert digest == of_bytes(whole)
    assert store.read(digest) == whole
    assert store.size(digest) == writer.size == len(whole)


def test_what_is_not_committed_leaves_nothing(store: Store) -> None:
    with store.writer() as writer:
        writer.write(b"half")
    assert files(store.root) == []


def test_other_bytes_than_expected_are_not_kept(store: Store) -> None:
    with store.writer() as writer:
        writer.write(b"other")
        with pytest.raises(DigestMismatch) as caught:
            writer.commit(of_bytes(b"promised"))
    assert caught.value.expected == of_bytes(b"promised")
    assert caught.value.actual == of_bytes(b"other")
    assert files(store.root) == []


def test_a_missing_blob_is_named(store: Store) -> None:
    digest = of_bytes(b"never")
    for look in (store.verify, store.read, store.open, store.size):
        with pytest.raises(ShipmarkError, match=digest):
            look(digest)
    assert not store.has(digest)


def test_adopts_a_file_without_copying_it(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "download"
    file.write_bytes(b"data")
    digest = store.adopt(file, of_bytes(b"data"))
    assert store.path(digest).samefile(file)
    assert store.adopt(tmp_path / "gone", digest) == digest


def test_does_not_adopt_what_it_was_not_promised(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "download"
    file.write_bytes(b"data")
    with pytest.raises(DigestMismatch, match="download"):
        store.adopt(file, of_bytes(b"else"))
    assert files(store.root) == []
    assert file.read_bytes() == b"data"


# -- many at once ------------------------------------------------------------------------


def _write_all(root: str) -> list[Digest]:
    store = Store(Path(root))
    written = []
    for number in range(40):
        written.append(store.put(bytes([number]) * 5000))
        store.remember("layer", written[-1], b"{}", blobs=written[-1:])
        store.tag(RECORD)
    return written


def test_many_processes_write_the_same_at_once(store: Store) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(_write_all, [str(store.root)] * 4))
    assert all(result == results[0] for result in results)
    for digest in results[0]:
        store.verify(digest)
    assert list((store.root / "tmp").iterdir()) == []


_HOLD = """
import sys, time
from pathlib import Path
from shipmark.store import Store
with Store(Path(sys.argv[1])).locked("build"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_free_again_when_its_holder_is_killed(store: Store) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(store.root)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    with store.locked("build"):
        pass


# -- names and cache ---------------------------------------------------------------------


def test_a_name_points_to_the_last_image(store: Store) -> None:
    assert store.image("digits") is None
    assert store.images() == []
    store.put(b"index")
    store.tag(RECORD)
    newer = ImageRecord(name="digits", version="2", index=of_bytes(b"newer"))
    other = ImageRecord(name="a", version="1", index=of_bytes(b"index"))
    store.tag(newer)
    store.tag(other)
    assert store.image("digits") == newer
    assert store.images() == [other, newer]


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 129])
def test_a_name_stays_in_its_folder(store: Store, name: str) -> None:
    with pytest.raises(ShipmarkError, match="not a name"):
        store.tag(ImageRecord(name=name, version="1", index=of_bytes(b"")))


def test_a_damaged_record_says_which_file(store: Store) -> None:
    store.tag(RECORD)
    path = store.root / "images" / "digits.json"
    path.write_bytes(b"")
    with pytest.raises(ShipmarkError, match=r"digits\.json"):
        store.images()


def test_remembers_by_key(store: Store) -> None:
    key = of_bytes(b"key")
    assert store.recall("layer", key) is None
    store.remember("layer", key, b'"one"', blobs=[])
    store.remember("layer", key, b'{"two": 2}', blobs=[key])
    assert store.recall("layer", key) == b'{"two": 2}'
    assert store.recall("other", key) is None


def test_a_damaged_memory_is_none(store: Store) -> None:
    key = of_bytes(b"key")
    store.remember("layer", key, b"{}", blobs=[])
    (path,) = (store.root / "cache" / "layer").iterdir()
    path.write_bytes(b"{")
    assert store.recall("layer", key) is None


def test_a_name_is_forgotten(store: Store) -> None:
    assert not store.untag("digits")
    store.tag(RECORD)
    assert store.tagged_at_s("digits") is not None
    assert store.untag("digits")
    assert store.image("digits") is None
    assert store.tagged_at_s("digits") is None


def test_the_first_finished_folder_is_kept(store: Store) -> None:
    target = store.tool(of_bytes(b"tool"))
    for text in ("first", "second"):
        with store.scratch() as scratch:
            (scratch / "made").mkdir()
            (scratch / "made" / "file").write_text(text)
            store.place(scratch / "made", target)
    assert (target / "file").read_text() == "first"
    assert list((store.root / "tmp").iterdir()) == []
