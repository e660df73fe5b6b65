"""Packages and locks for tests, made without a file or a network."""

import hashlib
from dataclasses import replace
from typing import Any, BinaryIO

import msgspec

from shipmark.digest import Digest
from shipmark.lock import parts, server_wheel
from shipmark.lock.lock import Deb, Lock, PlatformLock, Wheel
from shipmark.package.config import Config
from shipmark.package.package import FileEntry, Package, Version
from shipmark_serve.contract.model import Model

CODE = Digest(f"sha256:{'c' * 64}")


class NoFiles:
    def open(self, path: str) -> BinaryIO:
        raise AssertionError(path)

    def close(self) -> None:
        pass


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(path: str, content: str = "", *, executable: bool = False) -> FileEntry:
    return FileEntry(path=path, sha256=sha(content), size=len(content), executable=executable)


def package(
    *requirements: str,
    config: Config | None = None,
    model: Model | None = None,
    code: tuple[FileEntry, ...] = (),
    weights: tuple[FileEntry, ...] = (),
) -> Package:
    return Package(
        name="digits",
        name_chosen=False,
        version=Version(code="1.0", code_digest=CODE, weights=None, weights_digest=None),
        config=config or Config(),
        model=model or Model(name="digits", version="1.0", code_digest=CODE, runtime="onnx"),
        code=code,
        weights=weights,
        requirements=requirements,
        source=NoFiles(),
        origin="digits/",
        lock_path=None,
    )


def wheel(name: str, version: str = "1.0") -> Wheel:
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return Wheel(name=name, version=version, filename=filename, sha256=sha(filename), size=7)


def deb(name: str, version: str = "1.0", architecture: str = "amd64") -> Deb:
    path = f"pool/main/{name}_{version}_{architecture}.deb"
    return Deb(
        name=name,
        version=version,
        architecture=architecture,
        archive="debian",
        path=path,
        sha256=sha(path),
        size=9,
    )


def lock_of(package: Package) -> Lock:
    """A lock as `make_lock` would make it, with invented debs and wheels."""
    suite = parts.suite(package)
    debs = (deb(f"python{suite.python}-minimal", f"{suite.python}.2-6"),)
    return Lock(
        model=package.model,
        env=parts.env(package),
        resources=parts.resources(package),
        suite=suite.name,
        python=suite.python,
        python_exact=f"{suite.python}.2",
        epoch=parts.EPOCH,
        compressor=parts.compressor(),
        requires=parts.requires(package),
        system=parts.system(package),
        server=server_wheel.build()[0],
        platforms={"linux/amd64": PlatformLock(debs=debs, wheels=(wheel("numpy"),))},
        build_python={"amd64": debs},
        code=package.code,
        weights=package.weights,
    )


def changed(before: Package, **fields: Any) -> Package:
    """A copy of the package with other fields; `config` and `model` take theirs as a dict."""
    for name in ("config", "model"):
        if isinstance(new := fields.get(name), dict):
            fields[name] = msgspec.structs.replace(getattr(before, name), **new)
    return replace(before, **fields)
