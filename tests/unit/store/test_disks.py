"""A disk that is full, read-only, another one, or not ours: a sentence, nothing half-made."""

import subprocess
import sys
from pathlib import Path

import pytest

from shipmark.digest import of_bytes
from shipmark.errors import ShipmarkError
from shipmark.store import ImageRecord, Store

_BEGIN = """
import os, subprocess, sys
from pathlib import Path
from shipmark.digest import of_bytes
from shipmark.errors import ShipmarkError
from shipmark.progress import Silent
from shipmark.store import ImageRecord, Store

place = Path(sys.argv[1])
store = Store(place / "store")
known = store.put(b"known") if not sys.argv[2].startswith("ro") else None

def told(action):
    try:
        action()
    except ShipmarkError as error:
        print(error.message, "|", error.hint, flush=True)
    else:
        print("done", flush=True)

def files():
    found = (path.relative_to(store.root) for path in store.root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != "locks")
"""


def on_a_disk(folder: Path, options: str, script: str) -> list[str]:
    """The lines that a script prints, on a small file system of its own at `folder`."""
    shell = f'mount -t tmpfs -o {options} tmpfs "$1" && exec "$2" -c "$3" "$1" {options}'
    command = ["sh", "-c", shell, "sh", str(folder), sys.executable, _BEGIN + script]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


_FULL = """
def write():
    with store.writer(need_bytes=4 << 20) as writer:
        for _ in range(4):
            writer.write(os.urandom(1 << 20))
        writer.commit()

told(write)
print(len(files()))
filler = place / "filler"
with filler.open("wb", buffering=0) as stream:
    try:
        while True:
            stream.write(bytes(4096))
    except OSError:
        pass
told(lambda: store.put(b"x" * 5000))
told(lambda: store.remember("layer", known, b"{}" * 5000, blobs=[]))
told(lambda: store.tag(ImageRecord(name="a", version="1" * 9000, index=known)))
print(len(files()), store.image("a"))
filler.unlink()
told(lambda: store.put(b"x" * 5000))
told(lambda: store.tag(ImageRecord(name="a", version="1", index=known)))
print(store.read(known), store.image("a").version, store.left())
"""


@pytest.mark.sandbox
@pytest.mark.needs("unshare")
def test_full(tmp_path: Path) -> None:
    writer, count, put, remember, tag, left, *after = on_a_disk(tmp_path, "size=2m", _FULL)
    assert "4194304 bytes are needed" in writer
    for line in (writer, put, remember, tag):
        assert line.startswith("the disk is full: tried to write")
        assert str(tmp_path) in line
        assert "free some space" in line
    assert count == "1"
    assert left == "1 None"
    assert after == ["done", "done", "b'known' 1 []"]


_READ_ONLY = """
told(lambda: store.put(b"x"))
subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
known = store.put(b"known")
store.tag(ImageRecord(name="a", version="1", index=known))
subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
told(lambda: store.put(b"x"))
told(lambda: store.tag(ImageRecord(name="b", version="1", index=known)))
told(lambda: store.untag("a"))
def use():
    with store.in_use():
        print(store.read(known), store.image("a").version, store.has(known))
told(use)
def gc():
    with store.alone(wait_s=0, progress=Silent()):
        pass
told(gc)
"""


@pytest.mark.sandbox
@pytest.mark.needs("unshare")
def test_read_only(tmp_path: Path) -> None:
    """What is there can still be used; nothing can be changed."""
    first, put, tag, untag, read, used, gc = on_a_disk(tmp_path, "ro,size=2m", _READ_ONLY)
    for line in (first, put, tag, untag, gc):
        assert line.startswith("tried to ")
        assert str(tmp_path) in line
        assert "read-only" in line
        assert "SHIPMARK_HOME" in line
    assert (read, used) == ("b'known' 1 True", "done")


_OTHER = """
download = Path(os.environ["DOWNLOAD"])
before = download.stat()
digest = of_bytes(download.read_bytes())
store.adopt(download, digest)
print(store.read(digest), store.path(digest).stat().st_mode & 0o777)
after = download.stat()
print((before.st_mtime_ns, before.st_nlink) == (after.st_mtime_ns, after.st_nlink))
print(store.left(), store.has(digest))
"""


@pytest.mark.sandbox
@pytest.mark.needs("unshare")
def test_another_than_that_of_the_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = tmp_path / "download"
    download.write_bytes(b"data")
    monkeypatch.setenv("DOWNLOAD", str(download))
    (tmp_path / "disk").mkdir()
    lines = on_a_disk(tmp_path / "disk", "size=2m", _OTHER)
    assert lines == ["b'data' 292", "True", "[] True"]


@pytest.mark.parametrize("where", ["store", "store/blobs", "store/tmp", "store/locks", "."])
def test_a_file_in_the_place_of_a_folder(tmp_path: Path, where: str) -> None:
    root = tmp_path / "home" / "store" if where == "." else tmp_path / "store"
    path = tmp_path / ("home" if where == "." else where)
    path.parent.mkdir(exist_ok=True)
    path.write_text("a file")
    store = Store(root)
    with pytest.raises(ShipmarkError, match="tried to write") as caught:
        store.put(b"x")
    assert "move away what lies there" in caught.value.hint
    assert str(path) in caught.value.message
    assert not store.has(of_bytes(b"x"))
    path.unlink()
    assert store.read(store.put(b"x")) == b"x"
    assert store.left() == []


_FORBIDDEN = """
import sys
from pathlib import Path
from shipmark.digest import of_bytes
from shipmark.errors import ShipmarkError
from shipmark.store import ImageRecord, Store
store = Store(Path(sys.argv[1]))
record = ImageRecord(name="b", version="1", index=of_bytes(b"x"))
for action in (
    lambda: store.put(b"x"), lambda: store.tag(record), lambda: store.image("a"),
    lambda: store.adopt(Path(sys.argv[2]), of_bytes(b"data")),
):
    try:
        action()
    except ShipmarkError as error:
        print(error.message, "|", error.hint)
    else:
        print("done")
"""


@pytest.mark.sandbox
@pytest.mark.needs("unshare")
def test_not_ours(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    folders = [store.root / name for name in ("tmp", "locks", "blobs/sha256", "images")]
    store.tag(ImageRecord(name="a", version="1", index=store.put(b"known")))
    (store.root / "images" / "a.json").chmod(0)
    for folder in folders:
        folder.chmod(0o555)
    (tmp_path / "download").write_bytes(b"data")
    # In a namespace of its own even root may only do what the modes allow.
    script = [sys.executable, "-c", _FORBIDDEN, str(store.root), str(tmp_path / "download")]
    done = subprocess.run(
        ["unshare", "--user", *script], capture_output=True, text=True, check=False
    )
    for folder in folders:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for line in lines:
        assert "permission denied" in line
        assert str(store.root) in line
        assert "SHIPMARK_HOME" in line
    assert "readable" in lines[2]
