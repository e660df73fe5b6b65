"""The local store as its user sees it: listing, removing, making room, and what breaks."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import EXAMPLES, CommandLine, environment, post

pytestmark = [pytest.mark.network, pytest.mark.sandbox]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, download_cache: Path) -> Path:
    """A package with its lock, made once; tests copy it."""
    home = tmp_path_factory.mktemp("locked")
    ignore = shutil.ignore_patterns("shipmark.lock")
    shutil.copytree(EXAMPLES / "sentiment", home / "sentiment", ignore=ignore)
    CommandLine(environment(home, download_cache), cwd=home).ok("lock", "sentiment")
    return home / "sentiment"


@pytest.fixture
def shipmark(tmp_path: Path, download_cache: Path) -> Iterator[CommandLine]:
    """A user of this test's own, with an empty store."""
    home = tmp_path / "home"
    home.mkdir()
    line = CommandLine(environment(home, download_cache), cwd=home)
    yield line
    for deployment in line.json("ps"):
        line.run("down", deployment["name"])


@pytest.fixture
def package(locked: Path, tmp_path: Path) -> Path:
    return shutil.copytree(locked, tmp_path / "sentiment")


def append(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def store_of(shipmark: CommandLine) -> Path:
    return Path(shipmark.environ["XDG_DATA_HOME"]) / "shipmark" / "store"


def blob_of(shipmark: CommandLine, digest: str) -> Path:
    return store_of(shipmark) / "blobs" / "sha256" / digest.removeprefix("sha256:")


def damage(path: Path, *, as_disks_do: bool) -> None:
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    if as_disks_do:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_images_from_building_to_the_last_byte(
    shipmark: CommandLine, package: Path, tmp_path: Path
) -> None:
    assert shipmark.json("images") == []
    assert "shipmark build" in shipmark.ok("images")
    first = shipmark.json("build", package)
    other = shutil.copytree(package, tmp_path / "other")
    (other / "shipmark.toml").write_text('[model]\nname = "other"\n')
    shipmark.ok("build", other)

    listed = {image["name"]: image for image in shipmark.json("images")}
    image = listed["sentiment"]
    assert list(listed) == ["other", "sentiment"]
    assert image["digest"] == first["digest"]
    assert image["platforms"] == ["linux/amd64"]
    assert 0 < image["own_size_bytes"] < 100_000
    assert image["size_bytes"] > 10_000_000
    assert image["own_materials_bytes"] < 100_000
    assert image["materials_bytes"] > 10_000_000
    assert (image["unpacked_bytes"], image["deployments"]) == (0, [])

    assert "is in the store" not in shipmark.refused("rmi", "sentiments")
    assert "did you mean sentiment" in shipmark.refused("rmi", "sentiments")
    shipmark.ok("rmi", first["digest"][:15])
    assert [image["name"] for image in shipmark.json("images")] == ["other"]
    would = shipmark.json("gc", "--dry-run")
    did = shipmark.json("gc")
    assert (would["dry_run"], did["dry_run"]) == (True, False)
    assert would["removed"] == did["removed"] != []
    assert would["freed_bytes"] == did["freed_bytes"] > 0
    assert "nothing to remove" in shipmark.ok("gc")

    again = shipmark.json("build", other)
    assert all(layer["cached"] for layer in again["layers"])
    shipmark.ok("rmi", f"other@{again['digest']}")
    shipmark.ok("gc")
    assert not any((store_of(shipmark) / "blobs" / "sha256").iterdir())
    assert not any((store_of(shipmark) / "tools").iterdir())


def test_what_is_deployed_stays(shipmark: CommandLine, package: Path) -> None:
    up = shipmark.json("up", package, "--name", "kept")
    refusal = shipmark.refused("rmi", "sentiment")
    assert "used by the deployment kept" in refusal
    assert "shipmark down kept" in refusal

    append(package / "model.py", "# newer\n")
    shipmark.ok("build", package)
    named, nameless = shipmark.json("images")
    assert (named["name"], named["deployments"]) == ("sentiment", [])
    assert (nameless["name"], nameless["deployments"]) == (None, ["kept"])
    assert nameless["digest"] == up["manifest"]
    assert nameless["unpacked_bytes"] > 10_000_000
    shipmark.ok("rmi", "sentiment")
    shipmark.ok("gc")
    answer = post(f"{up['address']}/predict", "good")
    shipmark.ok("stop", "kept")
    shipmark.ok("gc")
    started = shipmark.json("start", "kept")
    assert post(f"{started['address']}/predict", "good") == answer

    shipmark.ok("down", "kept")
    assert shipmark.json("gc")["freed_bytes"] > 50_000_000
    assert shipmark.json("images") == []
    assert not any((store_of(shipmark) / "unpacked").iterdir())


def test_gc_beside_builds(shipmark: CommandLine, package: Path, tmp_path: Path) -> None:
    """Two packages are built over and over while gc runs; neither notices the other."""
    faults: list[str] = []
    packages = [shutil.copytree(package, tmp_path / name) for name in ("one", "two")]
    for each in packages:
        (each / "shipmark.toml").write_text(f'[model]\nname = "{each.name}"\n')
    done = threading.Event()

    def clear() -> None:
        while not done.wait(0.2):
            run = shipmark.run("gc", "--wait", "0")
            if run.returncode != 0 and "in use" not in run.stderr:
                faults.append(run.stderr)

    def build(package: Path) -> None:
        for number in range(3):
            append(package / "model.py", f"# {number}\n")
            run = shipmark.run("build", package, "--output", tmp_path / f"{package.name}-{number}")
            if run.returncode != 0:
                faults.append(run.stderr)

    clearing = threading.Thread(target=clear)
    building = [threading.Thread(target=build, args=[package]) for package in packages]
    for thread in (clearing, *building):
        thread.start()
    for thread in building:
        thread.join()
    done.set()
    clearing.join()
    assert faults == []
    shipmark.ok("gc")
    assert [image["fault"] for image in shipmark.json("images")] == [None, None]
    for each in packages:
        built = shipmark.json("build", each)
        assert all(layer["cached"] for layer in built["layers"])


def test_a_damaged_image_is_never_started(shipmark: CommandLine, package: Path) -> None:
    built = shipmark.json("build", package)
    layer = next(each["digest"] for each in built["layers"] if each["title"] == "code")
    manifest, config = (next(iter(built[key].values())) for key in ("manifests", "configs"))
    for digest in (layer, config, built["digest"]):
        damage(blob_of(shipmark, digest), as_disks_do=True)
        refusal = shipmark.refused("up", "sentiment")
        assert digest.removeprefix("sha256:") in refusal
        assert "build again" in refusal
        assert not blob_of(shipmark, digest).exists()
        assert shipmark.json("build", package)["digest"] == built["digest"]
    for digest in (layer, config, manifest, built["digest"]):
        damage(blob_of(shipmark, digest), as_disks_do=False)
    up = shipmark.json("up", package)
    assert up["digest"] == built["digest"]
    shipmark.ok("down", up["name"])


def test_a_store_that_cannot_be_used(shipmark: CommandLine, package: Path) -> None:
    """Each is a sentence that names the place, for every verb that needs the store."""
    store = store_of(shipmark)
    store.parent.mkdir(parents=True)
    store.write_text("a file")
    for verb in (["build", package], ["lock", package], ["up", package], ["gc"]):
        refusal = shipmark.refused(*verb)
        assert str(store) in refusal
        assert "move away what lies there" in refusal
    assert shipmark.json("images") == []
    store.unlink()
    shipmark.ok("build", package)
