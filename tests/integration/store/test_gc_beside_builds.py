"""gc beside processes that build: what is named or being built is never taken away."""

import random
import subprocess
import sys
import time
from pathlib import Path

from shipmark.oci.graph import reachable, read_manifest
from shipmark.progress import Silent
from shipmark.store import Store
from shipmark.store.collect import collect
from shipmark.store.holdings import Holdings
from shipmark.store.removal import Removal

ROOT = Path(__file__).parents[3]
SECONDS = 4.0
BUILDERS = 4

_BUILD = """
import sys, time
from pathlib import Path
from shipmark.builders import assemble
from shipmark.oci.graph import reachable, read_manifest
from shipmark.progress import Silent
from shipmark.store import ImageRecord
from tests.unit.builders.materials import Yard, folder

yard, name, until = Yard(Path(sys.argv[1])), sys.argv[2], time.monotonic() + float(sys.argv[3])
store, number = yard.store, 0
while time.monotonic() < until:
    number += 1
    source = folder()
    source.files["model.py"] = f"# {name} {number // 2}\\n".encode()  # every second one is cached
    with store.in_use():
        lock = yard.lock(source)
        time.sleep(0.02)  # as a download would take; nothing refers to the materials yet
        built = assemble(
            lock, source, store=store, platforms=["linux/amd64"], progress=Silent(), jobs=1
        )
        time.sleep(0.02)
        for digest in reachable(store, built.index):
            store.verify(digest)
        for blob in read_manifest(store, built.materials).layers:
            store.verify(blob.digest)
        store.tag(ImageRecord(
            name=name, version=str(number), index=built.index, materials=built.materials
        ))
    print(number, flush=True)
"""


def start(store: Store, name: str, seconds: float = SECONDS) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _BUILD, str(store.root), name, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def gc(store: Store) -> Removal:
    removal = Removal(trash=store.root / "tmp", dry_run=False)
    with store.alone(wait_s=30, progress=Silent()):
        collect(store, [Holdings.of_image(store, record) for record in store.images()], removal)
    return removal


def check(store: Store) -> None:
    for record in store.images():
        for digest in reachable(store, record.index):
            store.verify(digest)
        assert record.materials is not None
        for blob in read_manifest(store, record.materials).layers:
            store.verify(blob.digest)


def test_builds_go_on_and_only_what_nobody_needs_goes(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    builders = [start(store, f"image-{number}") for number in range(BUILDERS)]
    removed = 0
    while any(builder.poll() is None for builder in builders):
        removed += len(gc(store).removed)
        time.sleep(0.05)
    for builder in builders:
        output, errors = builder.communicate()
        assert builder.returncode == 0, errors
        assert len(output.splitlines()) > 2
    assert removed > BUILDERS
    check(store)
    gc(store)
    assert gc(store).removed == []
    assert len(store.images()) == BUILDERS
    check(store)


def test_killed_builds_leave_nothing_that_gc_does_not_find(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    chance = random.Random(7)
    for _ in range(8):
        builder = start(store, "image")
        assert builder.stdout is not None
        builder.stdout.readline()
        time.sleep(chance.random() / 4)
        builder.kill()
        builder.communicate()
        check(store)
        gc(store)
        check(store)
        assert store.left() == []
    assert [record.name for record in store.images()] == ["image"]
    wanted = Holdings.of_image(store, store.images()[0])
    blobs = {f"sha256:{path.name}" for path in (store.root / "blobs" / "sha256").iterdir()}
    assert blobs == {*wanted.blobs, *wanted.materials}
