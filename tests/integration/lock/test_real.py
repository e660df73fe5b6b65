"""Against Debian and PyPI as they are: the base is small and distroless, the wheels fit."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipmark import digest as digests
from shipmark.cli.sources import sources_from_host
from shipmark.errors import LockError, Unresolvable
from shipmark.lock import materials, text
from shipmark.lock.lock import Lock
from shipmark.lock.make import make_lock
from shipmark.package.config import Config, ImageTable, SystemTable
from shipmark.progress import Silent
from shipmark.store import Store
from tests.unit.lock.samples import package

pytestmark = pytest.mark.network

PLATFORMS = ("linux/amd64", "linux/arm64")
NO_SHELL = {"bash", "dash", "dpkg", "apt", "tar", "perl-base", "coreutils", "debconf", "openssl"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def lock_it(cache: Path, *requirements: str, config: Config | None = None) -> Lock:
    return make_lock(
        package(*requirements, config=config),
        store=Store(cache / "store"),
        sources=sources_from_host(cache=cache),
        now=datetime.now(UTC),
        platforms=PLATFORMS,
        progress=Silent(),
    )


@pytest.mark.parametrize(
    ("suite", "python", "glibc"), [("bookworm", "3.11", 36), ("trixie", "3.13", 41)]
)
def test_the_base_is_small_and_distroless(cache: Path, suite: str, python: str, glibc: int) -> None:
    lock = lock_it(cache, "numpy", config=Config(image=ImageTable(suite=suite)))
    assert lock.python_exact.startswith(f"{python}.")
    for platform in PLATFORMS:
        locked = lock.platforms[platform]
        names = {deb.name for deb in locked.debs}
        assert {f"python{python}-minimal", "libc6", "ca-certificates", "libstdc++6"} <= names
        assert not names & NO_SHELL
        assert len(names) <= 38
        assert sum(deb.size for deb in locked.debs) < 17_000_000
        (numpy,) = [wheel for wheel in locked.wheels if wheel.name == "numpy"]
        assert f"cp{python.replace('.', '')}" in numpy.filename
    build = {deb.name for deb in lock.build_python["amd64"]}
    assert {f"python{python}-minimal", f"libpython{python}-minimal", "libc6"} <= build
    assert len(build) <= 12
    assert text.loads(text.dumps(lock)) == lock


def test_what_was_locked_can_be_had(cache: Path, tmp_path: Path) -> None:
    lock = lock_it(cache)
    store = Store(tmp_path / "store")
    sources = sources_from_host(cache=cache)
    materials.obtain(lock, ("linux/amd64",), store=store, sources=sources, progress=Silent())
    locked = lock.platforms["linux/amd64"]
    for deb in locked.debs:
        assert store.size(digests.from_hex(deb.sha256)) == deb.size
    for wheel in (*locked.wheels, lock.server):
        assert store.size(digests.from_hex(wheel.sha256)) == wheel.size


def test_system_packages_of_debian(cache: Path) -> None:
    config = Config(system=SystemTable(packages=("libgl1", "libglib2.0-0")))
    names = {deb.name for deb in lock_it(cache, config=config).platforms["linux/arm64"].debs}
    assert {"libgl1", "libx11-6", "libpcre2-8-0"} <= names
    with pytest.raises(LockError, match="'libgl11'"):
        lock_it(cache, config=Config(system=SystemTable(packages=("libgl11",))))


def test_a_requirement_that_has_only_a_source_archive(cache: Path) -> None:
    with pytest.raises(Unresolvable, match="has no wheel"):
        lock_it(cache, "antlr4-python3-runtime==4.9.3")
