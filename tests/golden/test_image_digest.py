"""A small image of fixed inputs has the digests that stand here, on every machine and forever.

When this fails, images made before this change can no longer be made again. If that is meant,
raise `REVISION` in shipmark.builders.layers (or `FORMAT` of the lock) and say so in the CHANGELOG.
The config and what stands above it also follow the lock's own digest.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from shipmark.builders import Built, assemble
from shipmark.lock.lock import Lock
from shipmark.oci.layer import Directory, Entry, File, Symlink, arranged, write_tar
from shipmark.progress import Silent
from tests.unit.builders.materials import Folder, Yard, make_ar, make_zip

PLATFORM = "linux/amd64"

LAYERS = {
    "base": "sha256:6e9c76d1818cd146f6260a2a2ef181273730dbc08e2fd7f38f5df330c2f264a0",
    "big 1": "sha256:73c46bc371da810ae9fd22d19eadf866b6389b0b5c3b0a4ce0fd466c33e8336d",
    "small wheels": "sha256:0b9c29d8e96f2bda1d97f15049a002969b8619e005a41febcfb630500a9f68cd",
    "weights": "sha256:890cbde48da073b151a91113191534a0c7fb14798ee5eaf21d6e7f945b6bebf9",
    "code": "sha256:5d1bc839bcec86256025b65705653594b247c3a13c167e0812be29b8ed639d82",
    "description": "sha256:0d5a507e83da98837f6f7b57b90cdfac2316681e911be8d99e82812657c5d54f",
}
CONFIG = "sha256:9e5547b054a260a772c14ac5d357dfd526b9daffcbd491e44659b7080d7367ee"
MANIFEST = "sha256:878e9499999c15e5863a1525a74d522b5eabf37c411ceb3028020662362a5cb1"
INDEX = "sha256:7a1a42958f28a8daa19a7feaf8015824c32444de119bc09990140320f325bee8"


def deb(*entries: Entry) -> bytes:
    """A package whose archives are Shipmark's own tars, so that no library shapes its bytes."""

    def tar(members: Sequence[Entry]) -> bytes:
        out = io.BytesIO()
        write_tar(arranged(members), out, epoch=0)
        return out.getvalue()

    control = [File.of_bytes("control", b"Package: x\nVersion: 1\n"), File.of_bytes("md5sums", b"")]
    return make_ar({"control.tar": tar(control), "data.tar": tar(entries)})


def inputs(yard: Yard) -> tuple[Lock, Folder]:
    package = Folder(
        {
            "model.py": b"def predict(text):\n    return text.upper()\n",
            "größe/daten.txt": b"ja\n",
            "weights/a.bin": b"".join(number.to_bytes(2, "big") for number in range(60_000)),
            "weights/b.bin": b"",
        }
    )
    libc = deb(
        Directory("lib"),
        File.of_bytes("lib/x86_64-linux-gnu/libc.so.6", b"\x7fELF libc" * 400_000),
        Symlink("lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        File.of_bytes("usr/share/doc/libc6/copyright", b"LGPL"),
        File.of_bytes("usr/share/man/man1/x.1", b"trimmed"),
    )
    python = deb(
        File.of_bytes("usr/bin/python3.11", b"\x7fELF python", executable=True),
        File.of_bytes("usr/lib/python3.11/os.py", b"import sys\n"),
        File.of_bytes("usr/share/ca-certificates/mozilla/A.crt", b"A\n"),
    )
    large = make_zip(
        {
            "big/__init__.py": b"",
            f"big/{'deep/' * 25}x.so": b"\x7fELF",
            "big-1.data/scripts/big": b"#!python\n",
            "big-1.dist-info/RECORD": b"",
        },
        executable=[f"big/{'deep/' * 25}x.so"],
    )
    lock = yard.lock(
        package,
        code=["model.py", "größe/daten.txt"],
        weights=["weights/a.bin", "weights/b.bin"],
        debs=[yard.deb("libc6", libc), yard.deb("python3.11", python)],
        wheels=[
            yard.wheel("big", large, size=9_000_000),
            yard.wheel(
                "tiny", make_zip({"tiny.py": b"tiny = 1\n", "tiny-1.dist-info/RECORD": b""})
            ),
        ],
        env={"MODE": "golden"},
    )
    return lock, package


@pytest.fixture
def built(tmp_path: Path) -> Built:
    yard = Yard(tmp_path / "store")
    lock, package = inputs(yard)
    return assemble(lock, package, store=yard.store, platforms=[PLATFORM], progress=Silent())


def test_the_layers(built: Built) -> None:
    assert {layer.title: layer.digest for layer in built.images[PLATFORM].layers} == LAYERS


def test_the_image(built: Built) -> None:
    image = built.images[PLATFORM]
    assert (image.config, image.manifest, built.index) == (CONFIG, MANIFEST, INDEX)
