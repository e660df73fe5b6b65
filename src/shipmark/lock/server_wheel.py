"""The shipmark-serve wheel, written from the installed package's own files.

Stored, sorted, with fixed dates and modes: a clone, a zip and an installed copy give one file.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from shipmark.errors import LockError
from shipmark.lock.lock import Wheel

NAME = "shipmark-serve"

_PACKAGE = "shipmark_serve"
_DATA = frozenset({"py.typed"})
"""Files other than `.py` that belong to the server."""

_WHEEL = b"""\
Wheel-Version: 1.0
Generator: shipmark
Root-Is-Purelib: true
Tag: py3-none-any
"""


def build() -> tuple[Wheel, bytes]:
    """Write the wheel.

    Source: PyPA, "Binary distribution format".
    """
    root = resources.files(_PACKAGE)
    metadata = (root / "METADATA").read_bytes()
    version = _header(metadata)["Version"]
    folder = f"{_PACKAGE}-{version}.dist-info"
    files = dict(sorted(_sources(root, _PACKAGE)))
    files[f"{folder}/METADATA"] = metadata
    files[f"{folder}/WHEEL"] = _WHEEL
    files[f"{folder}/RECORD"] = _record(files, f"{folder}/RECORD")
    data = _zip(files)
    wheel = Wheel(
        name=NAME,
        version=version,
        filename=f"{_PACKAGE}-{version}-py3-none-any.whl",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )
    return wheel, data


def requirements() -> tuple[str, ...]:
    """What the server itself requires, as PEP 508 lines; without its extras."""
    metadata = (resources.files(_PACKAGE) / "METADATA").read_bytes()
    lines = map(str, _header(metadata).get_all("Requires-Dist", []))
    return tuple(line for line in lines if "extra ==" not in line)


@cache
def _header(metadata: bytes) -> Message:
    header = Parser().parsestr(metadata.decode(), headersonly=True)
    if header.get("Version") is None:
        raise LockError(
            "this installation of Shipmark has no version of shipmark-serve in it",
            hint="install Shipmark again",
        )
    return header


def _sources(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _sources(entry, f"{path}/{entry.name}")
        elif entry.name.endswith(".py") or entry.name in _DATA:
            yield f"{path}/{entry.name}", entry.read_bytes()


def _record(files: dict[str, bytes], itself: str) -> bytes:
    lines = [
        f"{path},sha256={_urlsafe(hashlib.sha256(data).digest())},{len(data)}"
        for path, data in files.items()
    ]
    return "\n".join([*lines, f"{itself},,", ""]).encode()


def _urlsafe(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _zip(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, whatever this host is
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return stream.getvalue()
