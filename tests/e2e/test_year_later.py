"""A year later no index has the files any more, and what the store kept is enough.

Mirrors and indexes are dead, the download cache is gone, and of the store only the blobs are left
that the materials artifact names: the debs, the wheels and the build Python.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import CommandLine
from tests.e2e.harbour import DEAD, Harbour, emptied, harbour

pytestmark = [
    pytest.mark.network,
    pytest.mark.sandbox,
    pytest.mark.needs("unshare", "faketime"),
]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, download_cache: Path) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("later"), download_cache) as here:
        yield here


@pytest.fixture(scope="module")
def kept(port: Harbour) -> set[str]:
    """The names of the blobs that the materials artifact holds."""
    path = port.store / "blobs" / str(port.built["materials"]).replace(":", "/")
    layers = json.loads(path.read_bytes())["layers"]
    return {layer["digest"].removeprefix("sha256:") for layer in layers}


@pytest.fixture
def later(port: Harbour, kept: set[str]) -> CommandLine:
    """The user after a year, on a host without any network, with nothing but the materials."""
    for blob in (port.store / "blobs" / "sha256").iterdir():
        if blob.name not in kept:
            blob.unlink()
    for folder in port.store.iterdir():
        if folder.name != "blobs":
            emptied(folder)
    emptied(port.cache)
    return CommandLine(
        # With that clock faked as well, a wait of half a second would have no end.
        port.pointed_at(DEAD).environ | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"},
        prefix=(
            *("unshare", "--user", "--map-root-user", "--net"),
            *("faketime", "2028-03-01 12:00:00"),
        ),
    )


def test_the_same_image_from_the_materials_alone(port: Harbour, later: CommandLine) -> None:
    built = later.json("build", "--locked", port.package)

    assert built["digest"] == port.built["digest"]
    assert built["manifests"] == port.built["manifests"]
    assert built["materials"] == port.built["materials"]
    assert not any(layer["cached"] for layer in built["layers"])
    assert list((port.cache).glob("*/*")) == []


@pytest.mark.parametrize("kind", ["deb", "build Python", "wheel"])
def test_what_is_missing_is_named(port: Harbour, later: CommandLine, kind: str) -> None:
    file: dict[str, Any] = {
        "deb": port.deb("netbase"),
        "build Python": next(
            deb
            for deb in port.lock["build_python"]["amd64"]
            if deb["name"] == "libpython3.11-minimal"
        ),
        "wheel": port.wheel("uvloop"),
    }[kind]
    body = port.blob(file).read_bytes()
    port.blob(file).unlink()
    try:
        done = later.run("build", "--locked", port.package)
    finally:
        port.blob(file).write_bytes(body)

    assert done.returncode == 7
    named = file["filename"] if kind == "wheel" else f"{file['name']} {file['version']}"
    assert named in done.stderr
    assert f"sha256:{file['sha256']}" in done.stderr
    assert "try: check the network" in done.stderr
    assert "name another mirror or index" in done.stderr


def test_the_servers_wheel_is_written_anew(port: Harbour, later: CommandLine) -> None:
    port.blob(port.lock["server"]).unlink()

    assert later.json("build", "--locked", port.package)["digest"] == port.built["digest"]
