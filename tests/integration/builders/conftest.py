"""One real image for the tests of this folder: Debian's Python, numpy, onnxruntime, the server."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipmark import package as packages
from shipmark.builders import Built, assemble
from shipmark.cli.sources import sources_from_host
from shipmark.lock import Lock, materials
from shipmark.lock.make import make_lock
from shipmark.package import Package
from shipmark.progress import Silent
from shipmark.store import Store

PLATFORM = "linux/amd64"
MODEL = "import numpy as np\n\n\ndef predict(text: str) -> str:\n    return str(np.float32(text))\n"


@dataclass(frozen=True)
class Real:
    """A real package, its lock, and what was built of it."""

    package: Package
    lock: Lock
    store: Store
    built: Built


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """Locked for linux/amd64 and built; downloads about 70 MB."""
    root = tmp_path_factory.mktemp("real")
    source = root / "package"
    source.mkdir()
    (source / "model.py").write_text(MODEL)
    (source / "template.py").write_text("class {{ name }}:\n    pass\n")
    (source / "requirements.txt").write_text("numpy\nonnxruntime\n")
    store, sources = Store(root / "store"), sources_from_host(cache=root / "cache")
    package = packages.read(source)
    try:
        lock = make_lock(
            package, store=store, sources=sources, now=datetime.now(UTC), progress=Silent()
        )
        materials.obtain(lock, [PLATFORM], store=store, sources=sources, progress=Silent())
        built = assemble(lock, package.source, store=store, platforms=[PLATFORM], progress=Silent())
        yield Real(package, lock, store, built)
    finally:
        package.source.close()


@pytest.fixture(scope="session")
def root(real: Real, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All layers of the image, unpacked over each other."""
    folder = tmp_path_factory.mktemp("root")
    for layer in real.built.images[PLATFORM].layers:
        with tarfile.open(real.store.path(layer.digest)) as archive:
            archive.extractall(folder, filter="tar")
    return folder
