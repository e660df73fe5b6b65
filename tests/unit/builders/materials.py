"""Debs, wheels, packages and locks made by a test, the same bytes on every machine."""

import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from shipmark import digest as digests
from shipmark.errors import PackageError
from shipmark.lock.lock import Compressor, Deb, Lock, PlatformLock, Wheel
from shipmark.oci.gzip import VERSION
from shipmark.package.package import FileEntry
from shipmark.store import Store
from shipmark_serve.contract.model import Model

EPOCH = 1_700_000_000
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
}


@dataclass(frozen=True)
class Link:
    """A symbolic or hard link of a made package."""

    target: str
    hard: bool = False


def make_tar(files: Mapping[str, bytes | Link | None]) -> bytes:
    """A tar as dpkg would hold; None is a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.GNU_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.mtime = 1_600_000_000
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, Link):
                member.type = tarfile.LNKTYPE if content.hard else tarfile.SYMTYPE
                member.linkname = content.target
            else:
                member.size = len(content)
                member.mode = 0o4755 if "/bin/" in path else 0o640
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def make_ar(members: Mapping[str, bytes]) -> bytes:
    """The outer archive of a package."""
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        parts += [header.encode(), data, b"\n" * (len(data) % 2)]
    return b"".join(parts)


def make_deb(
    files: Mapping[str, bytes | Link | None], *, name: str = "x", packed: str = ""
) -> bytes:
    """A package; `packed` is the suffix of how its archives are compressed."""
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\n".encode()
    return make_ar(
        {
            "debian-binary": b"2.0\n",
            f"control.tar{packed}": PACKERS[packed](
                make_tar(
                    {"./control": control, "./md5sums": b"0  usr/x\n", "./postinst": b"exit 1"}
                )
            ),
            f"data.tar{packed}": PACKERS[packed](make_tar(files)),
        }
    )


def make_zip(files: Mapping[str, bytes], *, executable: Sequence[str] = ()) -> bytes:
    """A wheel's zip: stored, with a fixed date."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in files.items():
            info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = (0o100755 if path in executable else 0o100644) << 16
            archive.writestr(info, content)
    return out.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Folder:
    """A package's files in memory."""

    files: dict[str, bytes]
    opened: list[str] = field(default_factory=list)

    def open(self, path: str) -> BinaryIO:
        self.opened.append(path)
        if path not in self.files:
            raise PackageError(f"{path} is gone")
        return io.BytesIO(self.files[path])

    def close(self) -> None:
        """Nothing is held open."""

    def entries(self, *paths: str) -> tuple[FileEntry, ...]:
        return tuple(
            FileEntry(path=path, sha256=sha256(self.files[path]), size=len(self.files[path]))
            for path in paths
        )


class Yard:
    """A store with materials in it, and the lock that names them."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)

    def deb(self, name: str, data: bytes) -> Deb:
        self.store.put(data)
        return Deb(
            name=name,
            version="1",
            architecture="all",
            archive="debian",
            path=f"pool/{name}_1_all.deb",
            sha256=sha256(data),
            size=len(data),
        )

    def wheel(self, name: str, data: bytes, *, size: int | None = None) -> Wheel:
        self.store.put(data)
        return Wheel(
            name=name,
            version="1",
            filename=f"{name}-1-py3-none-any.whl",
            sha256=sha256(data),
            size=len(data) if size is None else size,
        )

    def lock(
        self,
        folder: Folder,
        *,
        code: Sequence[str] = ("model.py",),
        weights: Sequence[str] = ("model.onnx",),
        debs: Sequence[Deb] | None = None,
        wheels: Sequence[Wheel] | None = None,
        platforms: Sequence[str] = ("linux/amd64",),
        env: Mapping[str, str] | None = None,
    ) -> Lock:
        """A lock without a build Python: no bytecode."""
        wanted = PlatformLock(
            debs=tuple(self.debs() if debs is None else debs),
            wheels=tuple(self.wheels() if wheels is None else wheels),
        )
        return Lock(
            model=Model(
                name="digits",
                version="1.0-w2",
                code_digest=digests.of_bytes(b"".join(folder.files[path] for path in code)),
                weights_digest=digests.of_bytes(b"".join(folder.files[path] for path in weights)),
                runtime="onnx",
                entry=code[0] if code else None,
                weights=weights[0] if weights else None,
            ),
            env=dict(env or {}),
            suite="bookworm",
            python="3.11",
            python_exact="3.11.2",
            epoch=EPOCH,
            compressor=Compressor(version=VERSION),
            requires=("numpy",),
            server=self.wheel("shipmark_serve", make_zip({"shipmark_serve/__init__.py": b""})),
            platforms=dict.fromkeys(platforms, wanted),
            build_python={},
            code=folder.entries(*code),
            weights=folder.entries(*weights),
        )

    def debs(self) -> list[Deb]:
        """A small base."""
        library = {
            "./": None,
            "./lib/": None,
            "./lib/libx.so.1": b"\x7fELF",
            "./lib64/ld.so": b"ld",
        }
        python = {
            "./usr/bin/python3.11": b"\x7fELF python",
            "./usr/lib/python3.11/os.py": b"import sys\n",
            "./usr/share/doc/python/copyright": b"PSF",
            "./usr/share/doc/python/README": b"trimmed",
        }
        return [
            self.deb("libx", make_deb(library, name="libx")),
            self.deb("python", make_deb(python, name="python")),
        ]

    def wheels(self) -> list[Wheel]:
        """A large and a small wheel; large is what the lock says, so that the test stays small."""
        large = make_zip({"big/__init__.py": b"big = 1\n", "big-1.dist-info/RECORD": b""})
        small = make_zip({"tiny.py": b"tiny = 1\n", "tiny-1.dist-info/RECORD": b""})
        return [self.wheel("big", large, size=9_000_000), self.wheel("tiny", small)]


def folder() -> Folder:
    """A package of one code file and weights that compress well."""
    return Folder({"model.py": b"def predict(x):\n    return x\n", "model.onnx": b"weights" * 5000})
