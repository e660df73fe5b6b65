"""Debian's mirror and a package index on the loopback, with the real files of one real lock.

What `shipmark lock` brought into the download cache, the signed indexes among it, is served again
from here, so that a test can do to it what networks do.
"""

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.e2e.conftest import CommandLine, environment
from tests.unit.lock.loopback import Loopback, serving

DEAD = "http://127.0.0.1:9"
"""Nobody listens there."""


@dataclass
class Harbour:
    """A package that was locked and built, and a user who reaches nothing but the loopback."""

    line: CommandLine
    package: Path
    home: Path
    server: Loopback
    built: Any
    lock: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.home / "data" / "store"

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def lock_path(self) -> Path:
        return self.package / "shipmark.lock"

    def deb(self, name: str) -> dict[str, Any]:
        return _named(self.lock["platforms"]["linux/amd64"]["debs"], name)

    def wheel(self, name: str) -> dict[str, Any]:
        return _named(self.lock["platforms"]["linux/amd64"]["wheels"], name)

    def blob(self, file: dict[str, Any]) -> Path:
        return self.store / "blobs" / "sha256" / str(file["sha256"])

    def forget(self, *files: dict[str, Any]) -> None:
        """Take files out of the store and the cache, and what is known of where they were."""
        for file in files:
            self.blob(file).unlink(missing_ok=True)
            for kind in ("sha256", "partial", "places"):
                (self.cache / kind / file["sha256"]).unlink(missing_ok=True)
        self.server.requests.clear()

    def mend(self) -> None:
        """No faults any more, and everything there."""
        self.server.faults.clear()
        self.server.logins.clear()
        locked = self.lock["platforms"]["linux/amd64"]
        if not all(self.blob(file).exists() for file in (*locked["debs"], *locked["wheels"])):
            self.line.ok("build", "--locked", self.package)

    def path_of(self, file: dict[str, Any]) -> str:
        """Where the server has the file."""
        if "filename" in file:
            return f"/files/{file['filename']}"
        return f"/{file['archive']}/{file['path']}"

    def pointed_at(self, url: str, **settings: str) -> CommandLine:
        """The user with indexes and mirrors below `url`."""
        return CommandLine(_pointed(self.line.environ, url) | settings, cwd=self.line.cwd)


def _named(files: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [file for file in files if file["name"] == name]
    return found


def _pointed(environ: dict[str, str], url: str) -> dict[str, str]:
    bare = {key: value for key, value in environ.items() if not key.startswith(("PIP_", "UV_"))}
    return bare | {
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_DEFAULT_INDEX": f"{url}/simple",
        "SHIPMARK_DEBIAN_MIRROR": f"{url}/debian",
        "SHIPMARK_DEBIAN_SECURITY_MIRROR": f"{url}/debian-security",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@contextmanager
def harbour(folder: Path, download_cache: Path) -> Iterator[Harbour]:
    """Lock and build a small package from the real world, then cut it off from there."""
    package = folder / "echo"
    package.mkdir(parents=True)
    (package / "model.py").write_text("def predict(text: str) -> str:\n    return text\n")
    home = folder / "home"
    real = CommandLine(
        environment(folder, download_cache)
        | {"SHIPMARK_HOME": str(home), "SHIPMARK_DEBIAN_MIRROR": "", "UV_CACHE_DIR": ""},
        cwd=folder,
    )
    shared = download_cache / "shipmark"
    shared.mkdir(exist_ok=True)
    home.mkdir()
    (home / "cache").symlink_to(shared)
    built = real.json("build", package)
    with serving() as server:
        here = Harbour(real, package, home, server, built)
        here.lock = tomllib.loads(here.lock_path.read_text())
        _serve(here, shared)
        (home / "cache").unlink()
        here.line = here.pointed_at(server.url)
        yield here


def _serve(here: Harbour, cache: Path) -> None:
    files = here.server.files
    locked = here.lock["platforms"]["linux/amd64"]
    for deb in (*locked["debs"], *here.lock["build_python"]["amd64"]):
        files[here.path_of(deb)] = (cache / "sha256" / deb["sha256"]).read_bytes()
    for wheel in locked["wheels"]:
        files[here.path_of(wheel)] = (cache / "sha256" / wheel["sha256"]).read_bytes()
        link = f"../..{here.path_of(wheel)}#sha256={wheel['sha256']}"
        here.server.page(f"/simple/{wheel['name']}/", {wheel["filename"]: link})
    suite = here.lock["suite"]
    for archive, name in (
        ("debian", suite),
        ("debian", f"{suite}-updates"),
        ("debian-security", f"{suite}-security"),
    ):
        signed = _signed(cache, name)
        files[f"/{archive}/dists/{name}/InRelease"] = signed
        for line in signed.decode().splitlines():
            part = line.split()
            if len(part) == 3 and part[2] in {
                f"main/binary-{each}/Packages.xz" for each in ("amd64", "arm64")
            }:
                index = cache / "sha256" / part[0]
                if index.exists():
                    folder = part[2].rpartition("/")[0]
                    path = f"/{archive}/dists/{name}/{folder}/by-hash/SHA256/{part[0]}"
                    files[path] = index.read_bytes()


def _signed(cache: Path, suite: str) -> bytes:
    """The signed index of a suite as it last came."""
    notes = [
        path
        for path in (cache / "debian").iterdir()
        if path.name.startswith(f"{suite}-") and path.name.count("-") == suite.count("-") + 1
    ]
    latest = max(notes, key=lambda path: path.stat().st_mtime)
    body: bytes = msgspec.msgpack.decode(latest.read_bytes())["body"]
    return body


def emptied(folder: Path) -> None:
    """Remove a folder with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)
