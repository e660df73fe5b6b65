"""A Debian mirror and a package index on the loopback, with debs and wheels made up on the spot."""

import base64
import hashlib
import io
import lzma
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache

from pysequoia import Cert, SignatureMode, Tsk, sign

from tests.unit.lock.loopback import Loopback

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

BASE = (
    "base-files", "ca-certificates", "libgcc-s1", "libgomp1", "libpython3.11-stdlib", "libstdc++6",
    "media-types", "netbase", "python3.11-minimal", "tzdata", "zlib1g",
)  # fmt: skip


@cache
def _key() -> Tsk:
    return Tsk.generate("archive")


def archive_keys() -> tuple[Cert, ...]:
    return (_key().extract_certificate(),)


class Mirror:
    """`debian` and `debian-security` on one server; every package has one small deb."""

    def __init__(self, server: Loopback) -> None:
        self.server = server
        self.versions = dict.fromkeys(BASE, "1.0-1") | {"python3.11-minimal": "3.11.2-6"}
        self.depends = {"python3.11-minimal": "libc6"}
        self.versions["libc6"] = "2.36-9"
        self.publish()

    @property
    def roots(self) -> dict[str, str]:
        return {
            archive: f"{self.server.url}/{archive}" for archive in ("debian", "debian-security")
        }

    def publish(self, *, date: datetime = NOW, until: datetime = NOW + timedelta(days=7)) -> None:
        """Put up the packages as they are now; what was there before is dropped."""
        kept = {path: body for path, body in self.server.files.items() if "/debian" not in path}
        self.server.files.clear()
        self.server.files.update(kept)
        for archive, suite, names in (
            ("debian", "bookworm", self.versions),
            ("debian", "bookworm-updates", ()),
            ("debian-security", "bookworm-security", ()),
        ):
            self._publish(archive, suite, names, (date, until))

    def _publish(
        self, archive: str, suite: str, names: Iterable[str], times: tuple[datetime, datetime]
    ) -> None:
        date, until = times
        sums = []
        for architecture in ("amd64", "arm64"):
            index = lzma.compress(
                "\n".join(self._stanza(name, architecture) for name in sorted(names)).encode()
            )
            sha256 = hashlib.sha256(index).hexdigest()
            folder = f"main/binary-{architecture}"
            sums.append(f" {sha256} {len(index)} {folder}/Packages.xz")
            path = f"/{archive}/dists/{suite}/{folder}/by-hash/SHA256/{sha256}"
            self.server.files[path] = index
        text = "\n".join(
            [
                f"Codename: {suite}",
                f"Date: {date:%a, %d %b %Y %H:%M:%S UTC}",
                f"Valid-Until: {until:%a, %d %b %Y %H:%M:%S UTC}",
                "Acquire-By-Hash: yes",
                "SHA256:",
                *sums,
                "",
            ]
        )
        self.server.files[f"/{archive}/dists/{suite}/InRelease"] = bytes(
            sign(_key().signer(), text.encode(), mode=SignatureMode.CLEAR)
        )

    def _stanza(self, name: str, architecture: str) -> str:
        version = self.versions[name]
        path = f"pool/main/{name}_{version}_{architecture}.deb"
        body = f"{name} {version} {architecture}".encode() * 100
        self.server.files[f"/debian/{path}"] = body
        fields = {
            "Package": name,
            "Version": version,
            "Architecture": architecture,
            "Depends": self.depends.get(name, ""),
            "Filename": path,
            "Size": str(len(body)),
            "SHA256": hashlib.sha256(body).hexdigest(),
        }
        return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)


SERVER_NEEDS = {
    "httptools": "0.7.1",
    "msgspec": "0.20.0",
    "uvicorn": "0.54.0",
    "uvloop": "0.22.1",
}
"""Stand-ins for what the server requires."""


class Index:
    """A package index in the simple form, below `/simple/`."""

    def __init__(self, server: Loopback, prefix: str = "") -> None:
        self.server = server
        self.prefix = prefix
        self.url = f"{server.url}{prefix}/simple"
        self._links: dict[str, dict[str, str]] = {}

    def with_login(self, login: str) -> str:
        self.server.logins[f"{self.prefix}/"] = login
        return self.url.replace("://", f"://{login}@")

    def add(self, name: str, version: str, requires: tuple[str, ...] = ()) -> str:
        """Put up a wheel; returns its sha256."""
        filename, body = wheel(name, version, requires)
        return self.add_file(name, filename, body)

    def add_file(self, name: str, filename: str, body: bytes) -> str:
        sha256 = hashlib.sha256(body).hexdigest()
        self.server.files[f"{self.prefix}/files/{filename}"] = body
        links = self._links.setdefault(name, {})
        links[filename] = f"../../files/{filename}#sha256={sha256}"
        self.server.page(f"{self.prefix}/simple/{name}/", links)
        return sha256

    def add_server_needs(self) -> None:
        for name, version in SERVER_NEEDS.items():
            self.add(name, version)


def wheel(name: str, version: str, requires: tuple[str, ...] = ()) -> tuple[str, bytes]:
    """A wheel of one module: its file name and bytes."""
    module = name.replace("-", "_")
    folder = f"{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = {
        f"{module}.py": f"VERSION = {version!r}\n",
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f"{path},sha256={digest.decode()},{len(text)}\n")
    files[f"{folder}/RECORD"] = "".join(lines) + f"{folder}/RECORD,,\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return f"{module}-{version}-py3-none-any.whl", stream.getvalue()


def native(name: str, version: str, machine: str) -> tuple[str, bytes]:
    """A wheel for one processor: its file name and bytes."""
    filename, body = wheel(name, version)
    return filename.replace("py3-none-any", f"cp311-cp311-manylinux_2_28_{machine}"), body
