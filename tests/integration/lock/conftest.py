"""A harbour: a mirror, an index and a store, all of them on this host."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shipmark.lock import choose, make, materials
from shipmark.lock.lock import Lock
from shipmark.lock.sources import Sources
from shipmark.package.package import Package
from shipmark.progress import Silent
from shipmark.store import Store
from tests.integration.lock import mirror
from tests.integration.lock.mirror import Index, Mirror
from tests.unit.lock.loopback import Loopback, serving


@dataclass
class Harbour:
    """Everything `make_lock` and `obtain` need, with one server behind it."""

    server: Loopback
    debian: Mirror
    index: Index
    store: Store
    sources: Sources
    settings: dict[str, Any] = field(default_factory=dict)

    def configure(self, **settings: Any) -> None:
        from dataclasses import replace

        self.sources = replace(self.sources, **settings)

    def lock(self, package: Package, **settings: Any) -> Lock:
        return make.make_lock(
            package,
            store=self.store,
            sources=self.sources,
            now=mirror.NOW,
            **{"progress": Silent()} | settings,
        )

    def obtain(self, lock: Lock, store: Store | None = None) -> None:
        materials.obtain(
            lock,
            tuple(lock.platforms),
            store=store or self.store,
            sources=self.sources,
            progress=Silent(),
        )


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harbour]:
    monkeypatch.setattr(choose, "archive_keys", mirror.archive_keys)
    with serving() as server:
        index = Index(server)
        index.add_server_needs()
        debian = Mirror(server)
        yield Harbour(
            server=server,
            debian=debian,
            index=index,
            store=Store(tmp_path / "store"),
            sources=Sources(
                cache=tmp_path / "cache",
                index_url=index.url,
                mirrors=debian.roots,
                back_off_s=0.01,
            ),
        )


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[], Path]:
    """Makes a company's CA (`ca.pem`) and a PEM file with a key and certificate it signed."""

    def request(name: str, *options: str) -> bytes:
        import subprocess

        key, chain = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", f"/CN={name}", "-keyout", str(key), "-out", str(chain), *options),
            ],
            check=True,
            capture_output=True,
        )
        return key.read_bytes() + chain.read_bytes()

    def make_certificate() -> Path:
        request("ca")
        both = tmp_path / "both.pem"
        both.write_bytes(
            request(
                "server",
                *("-CA", str(tmp_path / "ca.pem"), "-CAkey", str(tmp_path / "ca.key")),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
                *("-addext", "basicConstraints=critical,CA:FALSE"),
            )
        )
        return both

    return make_certificate
