"""A small file is there whole or not at all, whoever writes it beside whom, and dies of it."""

import multiprocessing
from pathlib import Path

import pytest

from shipmark.errors import ShipmarkError
from shipmark.lock import atomic


def test_what_a_killed_writer_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "shipmark.lock"
    (tmp_path / ".shipmark.lock.new").write_bytes(b"half of something longer")
    atomic.replace(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_it_is_written_elsewhere_where_asked(tmp_path: Path) -> None:
    atomic.replace(tmp_path / "places" / "a", b"x", beside=tmp_path / "tmp" / "a")
    assert (tmp_path / "places" / "a").read_bytes() == b"x"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_refusal_is_a_sentence_and_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").touch()
    with pytest.raises(ShipmarkError, match="tried to write"):
        atomic.replace(path, b"x")
    assert list(tmp_path.iterdir()) == [path]


def _write(path: Path, number: int) -> None:
    for _ in range(20):
        atomic.replace(path, bytes([number]) * 10_000)


def test_writers_beside_each_other_leave_one_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "shipmark.lock"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            data = path.read_bytes()
            assert (len(set(data)), len(data)) == (1, 10_000)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert list(tmp_path.iterdir()) == [path]
