"""A lock becomes the same images however it is built; only what changed is built again."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec
import pytest

from shipmark.builders import Built, BuiltLayer, assemble
from shipmark.errors import BuildError, PackageError
from shipmark.lock.lock import Lock
from shipmark.oci.descriptor import LAYER_GZIP, LAYER_TAR
from shipmark.oci.graph import reachable, read_index, read_manifest
from shipmark.progress import Silent, Task
from tests.unit.builders.materials import Folder, Yard, folder, make_deb, make_zip, sha256

AMD64 = "linux/amd64"
TITLES = ["base", "big 1", "small wheels", "weights", "code", "description"]


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "store")


def build(yard: Yard, lock: Lock, source: Folder, **options: int) -> Built:
    return assemble(
        lock,
        source,
        store=yard.store,
        platforms=tuple(lock.platforms),
        progress=Silent(),
        **options,
    )


def layers(built: Built) -> dict[str, BuiltLayer]:
    return {layer.title: layer for layer in built.images[AMD64].layers}


def config(yard: Yard, built: Built) -> Mapping[str, object]:
    decoded = json.loads(yard.store.read(built.images[AMD64].config))
    assert isinstance(decoded, dict)
    return decoded


# -- the same bytes ----------------------------------------------------------------------


def test_threads_make_no_difference(tmp_path: Path) -> None:
    digests = set()
    for jobs in (1, 2, 7):
        yard = Yard(tmp_path / str(jobs))
        source = folder()
        digests.add(build(yard, yard.lock(source), source, jobs=jobs).index)
    assert len(digests) == 1


def test_layers_stand_in_order_and_say_what_is_in_them(yard: Yard) -> None:
    source = folder()
    built = build(yard, yard.lock(source), source)
    image = built.images[AMD64]
    assert [layer.title for layer in image.layers] == TITLES
    assert image.size == sum(yard.store.size(layer.digest) for layer in image.layers)
    small = layers(built)["small wheels"]
    assert [part.name for part in small.parts] == ["shipmark_serve 1", "tiny 1"]
    assert layers(built)["weights"].parts[0].size == len(source.files["model.onnx"])


def test_the_blobs_are_what_the_manifest_says(yard: Yard) -> None:
    source = folder()
    built = build(yard, yard.lock(source), source)
    for digest in reachable(yard.store, built.index):
        yard.store.verify(digest)
    manifest = read_manifest(yard.store, built.images[AMD64].manifest)
    assert [layer.size for layer in manifest.layers] == [
        yard.store.size(layer.digest) for layer in manifest.layers
    ]


def test_the_config_is_how_the_server_starts(yard: Yard) -> None:
    source = folder()
    lock = yard.lock(source, env={"LANG": "de_DE.UTF-8", "MODE": "x"})
    found = config(yard, build(yard, lock, source))
    run = found["config"]
    assert isinstance(run, dict)
    assert run["Entrypoint"] == ["/usr/bin/python3.11", "-P", "-s", "-m", "shipmark_serve"]
    assert run["User"] == "65532:65532"
    assert run["WorkingDir"] == "/app"
    assert run["ExposedPorts"] == {"8080/tcp": {}}
    assert run["StopSignal"] == "SIGTERM"
    assert {"LANG=de_DE.UTF-8", "MODE=x", "PYTHONDONTWRITEBYTECODE=1"} <= set(run["Env"])
    assert run["Labels"]["org.opencontainers.image.version"] == "1.0-w2"
    assert run["Labels"]["dev.shipmark.code.digest"] == lock.model.code_digest
    assert found["created"] == "2023-11-14T22:13:20Z"


def test_the_description_is_in_the_image(yard: Yard) -> None:
    source = folder()
    lock = yard.lock(source)
    layer = layers(build(yard, lock, source))["description"]
    unpacked = subprocess.run(
        ["tar", "--extract", "--gzip", "--to-stdout", "etc/shipmark/model.json"],
        input=yard.store.read(layer.digest),
        capture_output=True,
        check=True,
    )
    assert msgspec.json.decode(unpacked.stdout, type=type(lock.model)) == lock.model


def test_each_platform_has_an_image_and_shares_what_is_alike(yard: Yard) -> None:
    source = folder()
    lock = yard.lock(source, platforms=[AMD64, "linux/arm64"])
    built = build(yard, lock, source)
    index = read_index(yard.store, built.index)
    assert [str(image.platform) for image in index.manifests] == [AMD64, "linux/arm64"]
    one, two = (built.images[platform] for platform in (AMD64, "linux/arm64"))
    assert one.manifest != two.manifest
    assert [layer.digest for layer in one.layers][1:] == [layer.digest for layer in two.layers][1:]
    alone = assemble(lock, source, store=yard.store, platforms=[AMD64], progress=Silent())
    assert alone.images[AMD64].manifest == one.manifest


def test_materials_name_every_deb_and_wheel(yard: Yard) -> None:
    source = folder()
    lock = yard.lock(source)
    manifest = read_manifest(yard.store, build(yard, lock, source).materials)
    assert manifest.artifact_type == "application/vnd.shipmark.materials.v1"
    platform = lock.platforms[AMD64]
    expected = {deb.sha256 for deb in platform.debs}
    expected |= {wheel.sha256 for wheel in (*platform.wheels, lock.server)}
    assert {blob.digest.removeprefix("sha256:") for blob in manifest.layers} == expected
    for blob in (manifest.config, *manifest.layers):
        assert yard.store.has(blob.digest)


# -- weights -----------------------------------------------------------------------------


def test_weights_that_do_not_compress_stay_as_they_are(yard: Yard) -> None:
    source = folder()
    compressible = layers(build(yard, yard.lock(source), source))["weights"]
    assert compressible.media_type == LAYER_GZIP
    noise = b"".join(sha256(b"%d" % number).encode() for number in range(2000))
    source.files["model.onnx"] = bytes.fromhex(noise.decode())
    plain = layers(build(yard, yard.lock(source), source))["weights"]
    assert plain.media_type == LAYER_TAR
    assert plain.digest == plain.diff_id


# -- only what changed -------------------------------------------------------------------


def changed(before: Built, after: Built) -> set[str]:
    old = {layer.digest for layer in before.images[AMD64].layers}
    return {layer.title for layer in after.images[AMD64].layers if layer.digest not in old}


def rebuilt(built: Built) -> set[str]:
    return {layer.title for layer in built.images[AMD64].layers if not layer.cached}


def test_nothing_changed_nothing_is_read(yard: Yard) -> None:
    source = folder()
    first = build(yard, yard.lock(source), source)
    source.opened.clear()
    second = build(yard, yard.lock(source), source)
    assert (second.index, second.materials) == (first.index, first.materials)
    assert rebuilt(first) == set(TITLES)
    assert rebuilt(second) == set()
    assert source.opened == []


def test_new_code_leaves_the_weights_alone_and_new_weights_the_code(yard: Yard) -> None:
    source = folder()
    first = build(yard, yard.lock(source), source)
    source.files["model.py"] += b"# new\n"
    second = build(yard, yard.lock(source), source)
    assert changed(first, second) == rebuilt(second) == {"code", "description"}
    source.files["model.onnx"] += b"new"
    third = build(yard, yard.lock(source), source)
    assert changed(second, third) == rebuilt(third) == {"weights", "description"}


def test_a_layer_whose_blob_is_gone_or_cut_is_built_again(yard: Yard) -> None:
    source = folder()
    first = build(yard, yard.lock(source), source)
    yard.store.path(layers(first)["base"].digest).unlink()
    path = yard.store.path(layers(first)["code"].digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    second = build(yard, yard.lock(source), source)
    assert second.index == first.index
    assert rebuilt(second) == {"base", "code"}


def test_a_damaged_memory_is_forgotten(yard: Yard) -> None:
    source = folder()
    first = build(yard, yard.lock(source), source)
    for path in (yard.store.root / "cache" / "layer").iterdir():
        path.write_bytes(b"{")
    second = build(yard, yard.lock(source), source)
    assert second.index == first.index
    assert rebuilt(second) == set(TITLES)


# -- refusals ----------------------------------------------------------------------------


def left(yard: Yard) -> list[str]:
    return [path.name for path in (yard.store.root / "tmp").iterdir()]


@pytest.mark.parametrize("path", ["model.py", "model.onnx"])
def test_a_file_that_changes_while_it_is_built_is_refused(yard: Yard, path: str) -> None:
    source = folder()
    lock = yard.lock(source)
    source.files[path] = source.files[path][:-1] + b"?"
    with pytest.raises(PackageError, match="changed while it was being built"):
        build(yard, lock, source)
    assert left(yard) == []


def test_wheels_that_collide_are_refused_every_time(yard: Yard) -> None:
    source = folder()
    wheels = [
        yard.wheel("one", make_zip({"x.py": b"1"}), size=9_000_000),
        yard.wheel("two", make_zip({"x.py": b"2"})),
    ]
    lock = yard.lock(source, wheels=wheels)
    for _ in range(2):
        with pytest.raises(BuildError, match=r"put two into the image: .*x\.py is in one"):
            build(yard, lock, source)


def test_another_compressor_is_refused_with_the_way_to_the_right_one(yard: Yard) -> None:
    source = folder()
    lock = yard.lock(source)
    other = msgspec.structs.replace(lock.compressor, version="0.1")
    with pytest.raises(BuildError) as caught:
        build(yard, msgspec.structs.replace(lock, compressor=other), source)
    assert caught.value.hint == "pip install zlib-ng==0.1"


def test_a_platform_that_is_not_locked_is_refused(yard: Yard) -> None:
    source = folder()
    with pytest.raises(BuildError, match=r"no linux/s390x; it has linux/amd64"):
        assemble(
            yard.lock(source),
            source,
            store=yard.store,
            platforms=["linux/s390x"],
            progress=Silent(),
        )


def test_a_base_image_is_refused_for_now(yard: Yard) -> None:
    source = folder()
    lock = msgspec.structs.replace(yard.lock(source), base="ghcr.io/me/base@sha256:00")
    with pytest.raises(BuildError, match=r"ghcr\.io/me/base"):
        build(yard, lock, source)


def test_one_bad_layer_leaves_nothing_behind(yard: Yard) -> None:
    source = folder()
    debs = [*yard.debs(), yard.deb("bad", make_deb({"../x": b""}))]
    with pytest.raises(BuildError, match="bad 1"):
        build(yard, yard.lock(source, debs=debs), source)
    assert left(yard) == []
    assert yard.store.images() == []


# -- watching ----------------------------------------------------------------------------


class _Adding(Silent):
    """Adds up what is reported."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0

    def advance(self, amount: int) -> None:
        assert amount >= 0
        self.done += amount

    def task(self, label: str, *, total: int | None, unit: str) -> AbstractContextManager[Task]:
        assert (label, unit) == ("assembling", "bytes")
        self.total = total or 0
        return nullcontext(self)


def test_progress_ends_at_its_total_also_from_the_cache(yard: Yard) -> None:
    source = folder()
    lock = yard.lock(source)
    for _ in range(2):
        watcher = _Adding()
        assemble(lock, source, store=yard.store, platforms=[AMD64], progress=watcher)
        assert watcher.done == watcher.total > 0


# -- memory ------------------------------------------------------------------------------

_LARGE = """
import sys
from pathlib import Path
from typing import BinaryIO
import msgspec
from shipmark import digest
from shipmark.builders import assemble
from shipmark.package.package import FileEntry
from shipmark.progress import Silent
from tests.unit.builders.materials import Folder, Yard, folder

class Large(Folder):
    def open(self, path: str) -> BinaryIO:
        return weights.open("rb") if path == "large" else super().open(path)

weights, root = Path(sys.argv[1]), Path(sys.argv[2])
yard, source = Yard(root), Large(folder().files)
with weights.open("rb") as stream:
    sha256 = digest.hex_of(digest.of_file(stream))
entry = FileEntry(path="large", sha256=sha256, size=weights.stat().st_size)
lock = msgspec.structs.replace(yard.lock(source), weights=(entry,))
built = assemble(lock, source, store=yard.store, platforms=["linux/amd64"], progress=Silent())
print(built.images["linux/amd64"].layers[3].media_type, built.images["linux/amd64"].size)
status = Path("/proc/self/status").read_text()  # getrusage would count the parent's memory too
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.mark.parametrize(("pattern", "media_type"), [("noise", LAYER_TAR), ("bits", LAYER_GZIP)])
def test_memory_does_not_grow_with_the_weights(
    pattern: str, media_type: str, tmp_path: Path
) -> None:
    """256 MiB here; 1 GiB gives the same peak."""
    weights = tmp_path / "large"
    with Path("/dev/urandom").open("rb") as noise, weights.open("wb") as out:
        block = noise.read(16 << 20)
        if pattern == "bits":
            block = bytes(byte & 1 for byte in block[: 1 << 20]) * 16
        for number in range(16):
            out.write(block[number:] + block[:number])
    done = subprocess.run(
        [sys.executable, "-c", _LARGE, str(weights), str(tmp_path / "store")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    written, peak = done.stdout.splitlines()
    assert written.startswith(media_type)
    assert int(peak) < 200 * 1000 * 1000
