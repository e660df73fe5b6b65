"""Whether this Python has what Shipmark needs, and compresses to the bytes that locks promise."""

import hashlib
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from uv import find_uv_bin

from shipmark.doctor.finding import Finding, together
from shipmark.oci import gzip

_TIMEOUT_S = 8.0
_OLDEST = (3, 11)
_INSTALL = "pip install --force-reinstall shipmark, in an environment of its own"

_SAMPLE = "".join(
    hashlib.sha256(bytes([number // 3 % 256])).hexdigest() for number in range(9000)
).encode()
_LEVEL = 3
_COMPRESSED_SHA256 = "071a5770df1aae07b12858331f248525e053516c69842b5e95040c9deeb6fcc6"
"""What the zlib-ng that Shipmark requires makes of the sample, on every processor."""


def check() -> Finding:
    """Look at the interpreter, the libraries and uv, and compress a sample."""
    return together([*_interpreter(), *_libraries(), _compressor(gzip.compress_block), _uv()])


def _interpreter() -> Iterator[Finding]:
    if sys.version_info < _OLDEST or platform.python_implementation() != "CPython":
        yield Finding.failed(
            f"this is {platform.python_implementation()} {platform.python_version()}",
            mend="install Shipmark with CPython 3.11 or newer",
        )
    else:
        yield Finding.ok(f"Python {platform.python_version()} ({sys.executable})")


def _libraries() -> Iterator[Finding]:
    try:
        needed = requires("shipmark") or []
    except PackageNotFoundError:
        yield Finding.warning(
            "Shipmark is not installed, only its source is on the path", mend=_INSTALL
        )
        return
    for requirement in map(Requirement, needed):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _library(requirement)


def _library(requirement: Requirement) -> Iterator[Finding]:
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        yield Finding.failed(f"{requirement.name} is not installed", mend=_INSTALL)
        return
    if not requirement.specifier.contains(installed, prereleases=True):
        yield Finding.failed(
            f"{requirement.name} {installed} is installed, and {requirement} is needed",
            mend=_INSTALL,
        )


def _compressor(compress: Callable[[bytes, int], bytes]) -> Finding:
    made = hashlib.sha256(compress(_SAMPLE, _LEVEL)).hexdigest()
    if made != _COMPRESSED_SHA256:
        return Finding.failed(
            f"zlib-ng {gzip.VERSION} compresses to other bytes here than elsewhere",
            why="images from the same lock have other digests than on other machines",
            mend=f"{_INSTALL}; where that does not help, please report this processor",
        )
    return Finding.ok(f"zlib-ng {gzip.VERSION}")


def _uv() -> Finding:
    try:
        said = subprocess.run(
            [find_uv_bin(), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Finding.failed(
            f"uv does not run: {error}", why="requirements cannot be resolved", mend=_INSTALL
        )
    return Finding.ok(" ".join(said.split()[:2]))
