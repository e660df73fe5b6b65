"""One lock gives images for both processors, and they are the same on whichever they are made.

Nothing is emulated to build them. Here the arm64 image is then run under emulation and must answer
right; and what shapes the bytes, the compressor and the bytecode compiler, is run on emulated
processors and must give the bytes that this one gave.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from shipmark.builders import pyc_worker
from shipmark_serve.contract import golden
from tests.e2e.conftest import EXAMPLES, CommandLine, copied, environment, post

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.network,
    pytest.mark.sandbox,
    pytest.mark.needs("qemu-aarch64-static", "qemu-x86_64-static"),
]

PROCESSORS = [
    ("linux/amd64", "qemu64"),
    ("linux/amd64", "Nehalem"),
    ("linux/amd64", "Haswell"),
    ("linux/arm64", "cortex-a53"),
    ("linux/arm64", "max"),
]


@dataclass(frozen=True)
class Image:
    """One platform's image, out of its layout."""

    platform: str
    layers: dict[str, Path]
    """Blob by title."""
    root: Path
    config: Any

    def on(
        self, processor: str, *command: str, bind: Sequence[Path] = (), **environ: str
    ) -> list[str]:
        """The command line that runs a command of the image on an emulated processor."""
        machine = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[self.platform]
        variables = dict(each.split("=", 1) for each in self.config["config"]["Env"]) | environ
        return [
            *("bwrap", "--unshare-user", "--unshare-pid", "--die-with-parent", "--as-pid-1"),
            *("--uid", "65532", "--gid", "65532", "--ro-bind", str(self.root), "/"),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/app"),
            *("--ro-bind", f"/usr/bin/qemu-{machine}-static", "/tmp/emulator"),
            *(part for path in bind for part in ("--ro-bind", str(path), f"/tmp/{path.name}")),
            "--clearenv",
            *(part for each in variables.items() for part in ("--setenv", *each)),
            *("/tmp/emulator", "-cpu", processor, *command),
        ]


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, download_cache: Path) -> CommandLine:
    home = tmp_path_factory.mktemp("platforms")
    return CommandLine(environment(home, download_cache), cwd=home)


@pytest.fixture(scope="module")
def images(user: CommandLine) -> tuple[dict[str, Any], dict[str, Image]]:
    """The digits example for both platforms: what `build` said, and the images."""
    assert user.cwd is not None
    home = user.cwd
    package = copied("digits", home)
    layout = home / "layout"
    said = user.json("build", package, "--platform", "linux/amd64,linux/arm64", "-o", layout)
    index = _blob(layout, json.loads((layout / "index.json").read_text())["manifests"][0])
    found = {}
    for descriptor in index["manifests"]:
        platform = f"{descriptor['platform']['os']}/{descriptor['platform']['architecture']}"
        manifest = _blob(layout, descriptor)
        titles = {layer["digest"]: layer["title"] for layer in said["images"][platform]}
        layers = {titles[each["digest"]]: _path(layout, each) for each in manifest["layers"]}
        root = home / platform.replace("/", "-")
        for blob in layers.values():
            with tarfile.open(blob) as archive:
                archive.extractall(root, filter="tar")
        found[platform] = Image(platform, layers, root, _blob(layout, manifest["config"]))
    return said, found


def _path(layout: Path, descriptor: Any) -> Path:
    return layout / "blobs" / str(descriptor["digest"]).replace(":", "/")


def _blob(layout: Path, descriptor: Any) -> Any:
    return json.loads(_path(layout, descriptor).read_bytes())


def test_one_index_with_both(images: tuple[dict[str, Any], dict[str, Image]]) -> None:
    said, found = images

    assert set(found) == set(said["manifests"]) == {"linux/amd64", "linux/arm64"}
    for platform, image in found.items():
        architecture = platform.removeprefix("linux/")
        assert image.config["architecture"] == architecture
        status = {path.name for path in (image.root / "var/lib/dpkg/status.d").iterdir()}
        assert "libc6" in status
        program = (image.root / "usr/bin/python3.11").read_bytes()[:20]
        assert program[18] == {"amd64": 0x3E, "arm64": 0xB7}[architecture]
    shared = {path.name for path in found["linux/amd64"].layers.values()} & {
        path.name for path in found["linux/arm64"].layers.values()
    }
    assert len(shared) >= 3, "weights, code and description are the same for every processor"


def test_both_have_the_same_versions(images: tuple[dict[str, Any], dict[str, Image]]) -> None:
    _, found = images
    folder = next(iter(found.values())).root.parent / "digits"
    lock = tomllib.loads((folder / "shipmark.lock").read_text())

    wheels = [
        {wheel["name"]: wheel["version"] for wheel in each["wheels"]}
        for each in lock["platforms"].values()
    ]

    assert wheels[0] == wheels[1]


def test_a_part_of_the_platforms_leaves_the_lock_whole(
    images: tuple[dict[str, Any], dict[str, Image]], user: CommandLine
) -> None:
    said, found = images
    package = found["linux/arm64"].root.parent / "digits"
    before = (package / "shipmark.lock").read_text()

    part = user.json("build", "--locked", package, "--platform", "linux/arm64")
    also = user.json("build", package, "--platform", "linux/arm64")
    locked = user.json("lock", package, "--platform", "linux/amd64")

    assert (
        part["manifests"] == also["manifests"] == {"linux/arm64": said["manifests"]["linux/arm64"]}
    )
    assert part["digest"] != said["digest"]
    assert locked["platforms"] == ["linux/amd64", "linux/arm64"]
    assert (package / "shipmark.lock").read_text() == before
    assert user.json("build", package)["digest"] == said["digest"]


def test_another_platform_leaves_the_first_as_it_was_locked(
    user: CommandLine, tmp_path: Path
) -> None:
    package = copied("digits", tmp_path)
    user.ok("lock", package, "--platform", "linux/arm64")
    before = tomllib.loads((package / "shipmark.lock").read_text())

    user.ok("lock", package, "--platform", "linux/amd64")

    after = tomllib.loads((package / "shipmark.lock").read_text())
    assert list(after["platforms"]) == ["linux/amd64", "linux/arm64"]
    assert after["platforms"]["linux/arm64"] == before["platforms"]["linux/arm64"]
    assert after["build_python"] == before["build_python"]


def test_what_is_for_another_processor_is_not_started_here(
    user: CommandLine, tmp_path: Path
) -> None:
    package = tmp_path / "elsewhere"
    package.mkdir()
    (package / "model.py").write_text("def predict(text: str) -> str:\n    return text\n")
    machine = os.uname().machine
    there, here = ("linux/amd64", "linux/arm64")[:: 1 if machine == "aarch64" else -1]
    user.ok("build", package, "--platform", there)

    for verb in ("check", "up"):
        words = user.refused(verb, package)

        assert f"the image has no {here}; it has {there}" in words
        assert f"build it with --platform {here}" in words


@pytest.mark.timeout(200)
def test_the_arm64_image_answers_right(images: tuple[dict[str, Any], dict[str, Image]]) -> None:
    image = images[1]["linux/arm64"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    entrypoint = image.config["config"]["Entrypoint"]
    command = image.on("max", *entrypoint, PORT=str(port))
    log = image.root.parent / "arm64.log"
    records = json.loads(next((EXAMPLES / "digits" / "golden").glob("*.json")).read_text())

    with log.open("wb") as stream:
        serving = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/health/ready", serving, log)
        answers = [post(f"http://127.0.0.1:{port}/predict", record["input"]) for record in records]
    finally:
        serving.kill()
        serving.wait(30)

    assert f"{len(records)} golden records passed" in log.read_text()
    for record, answer in zip(records, answers, strict=True):
        difference = golden.compare(record["output"], answer, record.get("tolerance", 1e-3))
        assert difference.within, difference


def _wait_until_ready(url: str, serving: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 150
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except (urllib.error.URLError, ConnectionError):
            assert serving.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)


COMPRESS = """
import hashlib, sys
from shipmark.oci.gzip import Compressor
class Hashing:
    def __init__(self):
        self.state = hashlib.sha256()
    def write(self, data):
        self.state.update(data)
        return len(data)
level, block_bytes = map(int, sys.argv[1:])
out = Hashing()
with Compressor(level=level, block_bytes=block_bytes, threads=2) as compressor:
    with compressor.writer(out) as writer:
        while data := sys.stdin.buffer.read(1 << 20):
            writer.write(data)
print(out.state.hexdigest())
"""


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("platform", "processor"), PROCESSORS)
def test_the_layer_has_the_same_bytes_on_every_processor(
    images: tuple[dict[str, Any], dict[str, Image]], platform: str, processor: str
) -> None:
    image = images[1][platform]
    lock = tomllib.loads((image.root.parent / "digits" / "shipmark.lock").read_text())
    compressor = lock["compressor"]
    library = _library(image, compressor["version"])
    layer = images[1]["linux/amd64"].layers["small wheels"]
    gunzip = ["gzip", "--decompress", "--stdout", str(layer)]
    command = image.on(
        processor,
        *("/usr/bin/python3.11", "-s", "-c", COMPRESS),
        *map(str, (compressor["level"], compressor["block_bytes"])),
        bind=(ROOT / "src", library),
        PYTHONPATH=f"/tmp/src:/tmp/{library.name}",
    )

    with subprocess.Popen(gunzip, stdout=subprocess.PIPE) as plain:
        done = subprocess.run(
            command, stdin=plain.stdout, capture_output=True, text=True, check=False
        )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == layer.name
    assert hashlib.sha256(layer.read_bytes()).hexdigest() == layer.name


def _library(image: Image, version: str) -> Path:
    """The wheel of zlib-ng for the image's processor, unpacked."""
    machine = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[image.platform]
    target = image.root.parent / f"zlib-ng-{machine}"
    if not target.exists():
        command = [
            *(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--target", str(target)),
            *("--python-platform", f"{machine}-manylinux_2_28", "--python-version", "3.11"),
            *("--only-binary", ":all:", "--python", sys.executable, f"zlib-ng=={version}"),
        ]
        subprocess.run(command, check=True)
    return target


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("platform", "processor"), PROCESSORS[::2])
def test_bytecode_has_the_same_bytes_on_every_processor(
    images: tuple[dict[str, Any], dict[str, Image]], platform: str, processor: str
) -> None:
    image = images[1][platform]
    packages = "usr/local/lib/python3.11/dist-packages"
    sources = sorted((image.root / packages / "numpy" / "lib").glob("_*.py"))
    requests = bytearray()
    for source in sources:
        name = f"/{source.relative_to(image.root)}".encode()
        data = source.read_bytes()
        requests += pyc_worker.REQUEST.pack(len(name), len(data)) + name + data
    program = Path(pyc_worker.__file__).read_text()

    done = subprocess.run(
        image.on(processor, "/usr/bin/python3.11", "-S", "-s", "-P", "-B", "-c", program),
        input=bytes(requests),
        capture_output=True,
        check=True,
    )

    replies = done.stdout.partition(b"\n")[2]
    assert len(sources) >= 10
    for source in sources:
        outcome, _, size = pyc_worker.REPLY.unpack_from(replies)
        pyc = replies[pyc_worker.REPLY.size :][:size]
        replies = replies[pyc_worker.REPLY.size + size :]
        assert outcome == pyc_worker.COMPILED
        assert (
            pyc == (source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc").read_bytes()
        )
    assert replies == b""
