"""A build on a disk that is too small ends with a sentence, and goes on once there is room."""

import subprocess
import sys
from pathlib import Path

import pytest

_BUILD = """
import os, subprocess, sys
from pathlib import Path
from shipmark.builders import assemble
from shipmark.errors import ShipmarkError
from shipmark.progress import Silent
from tests.unit.builders.materials import Yard, folder, make_deb

place = Path(sys.argv[1])
def resize(size_kib):
    subprocess.run(["mount", "-o", f"remount,size={size_kib}k", str(place)], check=True)

def build():
    with yard.store.in_use():
        lock = yard.lock(source, debs=[*yard.debs(), yard.deb("large", large)])
        return assemble(
            lock, source, store=yard.store, platforms=["linux/amd64"], progress=Silent()
        ).index

large = make_deb({"./usr/share/large": os.urandom(1 << 20)}, name="large")
source = folder()
source.files["model.onnx"] = os.urandom(1 << 20)
yard = Yard(place / "store")
refused = 0
for size_kib in range(256, 8192, 256):
    resize(size_kib)
    try:
        first = build()
    except ShipmarkError as error:
        assert "the disk is full: tried to write" in error.message, error
        assert str(place) in error.message
        refused += 1
        assert yard.store.left() == [], yard.store.left()
        for path in (yard.store.root / "blobs/sha256").glob("*"):
            yard.store.verify("sha256:" + path.name)
    else:
        break
resize(65536)
assert build() == first
other = Yard(place / "other")
yard = other
assert build() == first
print(refused)
"""


@pytest.mark.sandbox
@pytest.mark.needs("unshare")
def test_a_build_that_does_not_fit(tmp_path: Path) -> None:
    """Whatever it is that does not fit first."""
    shell = 'mount -t tmpfs -o size=256k tmpfs "$1" && exec "$2" -c "$3" "$1"'
    command = ["sh", "-c", shell, "sh", str(tmp_path), sys.executable, _BUILD]
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5
