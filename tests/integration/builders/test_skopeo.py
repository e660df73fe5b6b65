"""What Shipmark writes is read by a program of the field, digest for digest."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shipmark.builders import Built, assemble
from shipmark.oci.archive import write_archive
from shipmark.oci.layout import write_layout
from shipmark.progress import Silent
from shipmark.store import Store
from tests.unit.builders.materials import Yard, folder

pytestmark = pytest.mark.needs("skopeo")


@dataclass(frozen=True)
class Small:
    store: Store
    built: Built


@pytest.fixture
def small(tmp_path: Path) -> Small:
    yard, source = Yard(tmp_path / "store"), folder()
    lock = yard.lock(source)
    built = assemble(lock, source, store=yard.store, platforms=["linux/amd64"], progress=Silent())
    return Small(yard.store, built)


def skopeo(*args: str) -> str:
    done = subprocess.run(["skopeo", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def described(*args: str) -> Any:
    return json.loads(skopeo("inspect", "--override-arch", "amd64", *args))


def test_a_layout(small: Small, tmp_path: Path) -> None:
    write_layout(small.store, small.built.index, tmp_path / "layout", name="digits")
    image = small.built.images["linux/amd64"]
    found = described(f"oci:{tmp_path}/layout:digits")
    assert found["Layers"] == [layer.digest for layer in image.layers]
    assert found["Labels"]["org.opencontainers.image.title"] == "digits"
    place = f"dir:{tmp_path}/copy"
    skopeo("--override-arch", "amd64", "copy", f"oci:{tmp_path}/layout:digits", place)
    manifest = (tmp_path / "copy" / "manifest.json").read_bytes()
    assert manifest == small.store.read(image.manifest)


def test_a_docker_archive(small: Small, tmp_path: Path) -> None:
    image = small.built.images["linux/amd64"]
    with (tmp_path / "image.tar").open("wb") as out:
        write_archive(small.store, image.manifest, out, tags=["digits:1.0"])
    archive = f"docker-archive:{tmp_path}/image.tar"
    config = described("--config", archive)
    diff_ids = [layer.diff_id for layer in image.layers]
    assert config["rootfs"]["diff_ids"] == diff_ids
    raw = json.loads(skopeo("inspect", "--raw", archive))
    assert raw["config"]["digest"] == image.config
    # skopeo unpacks each layer while it copies, and checks it against its diff ID.
    skopeo("copy", archive, f"oci:{tmp_path}/copy:digits")
