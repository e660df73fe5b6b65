"""Who is at work keeps gc out, however many they are and whatever becomes of them."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipmark.errors import ShipmarkError
from shipmark.progress import Silent
from shipmark.store import Store

_WORK = """
import sys
from pathlib import Path
from shipmark.store import Store
store = Store(Path(sys.argv[1]))
with store.in_use(), store.scratch() as scratch, store.writer() as writer:
    (scratch / "spool").write_bytes(bytes(1000))
    writer.write(b"half")
    print("at work", flush=True)
    sys.stdin.read()
"""


class Notes(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@contextmanager
def worker(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process that is at work until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WORK, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> None:
    """Let it end as it should."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def test_gc_waits_until_the_last_is_done(store: Store) -> None:
    told = Notes()
    with worker(store) as one, worker(store) as other:
        with pytest.raises(ShipmarkError, match="is in use"), store.alone(wait_s=0, progress=told):
            pytest.fail("it is not alone")
        assert told.notes == []
        finish(one)
        with (
            pytest.raises(ShipmarkError, match="is in use"),
            store.alone(wait_s=0.4, progress=told),
        ):
            pytest.fail("it is not alone")
        assert len(told.notes) == 1
        threading.Timer(0.5, finish, [other]).start()
        with store.alone(wait_s=None, progress=told):
            assert other.wait() == 0


def test_those_who_come_while_gc_is_at_work_wait_for_it(store: Store) -> None:
    told = Notes()
    entered = threading.Event()

    def come() -> None:
        with store.in_use(told):
            entered.set()

    with store.alone(wait_s=0, progress=Silent()):
        thread = threading.Thread(target=come)
        thread.start()
        assert not entered.wait(0.6)
        assert told.notes == ["waiting until `shipmark gc` is done"]
    thread.join(10)
    assert entered.is_set()


def test_being_at_work_within_work_is_nothing_new(store: Store) -> None:
    with store.in_use(), store.in_use(), store.locked("x"), store.scratch():
        store.put(b"x")
    with store.alone(wait_s=0, progress=Silent()):
        pass


def test_the_killed_hold_nobody_up_and_are_swept_away(store: Store) -> None:
    with worker(store) as killed:
        assert len(store.left()) == 2
        killed.kill()
        killed.wait()
        assert len(store.left()) == 2
        with store.in_use():
            assert store.left() == []


def test_the_living_are_not_swept_away(store: Store) -> None:
    with worker(store) as killed, worker(store):
        killed.kill()
        killed.wait()
        with store.in_use():
            assert len(store.left()) == 4
    with store.in_use():
        assert store.left() == []


def test_whoever_writes_holds_gc_up_even_without_saying_so(store: Store) -> None:
    with (
        store.writer(),
        pytest.raises(ShipmarkError, match="is in use"),
        store.alone(wait_s=0, progress=Silent()),
    ):
        pytest.fail("a blob is being written")
