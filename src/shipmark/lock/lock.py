"""The lock: everything that determines the bytes of an image, and nothing of any host."""

from shipmark.package.package import FileEntry
from shipmark_serve.contract.model import Model
from shipmark_serve.contract.records import Record

FORMAT = 1
"""Revision of the file; the builder of another revision refuses it."""

BUILT_BY = {1: ">=0.1"}
"""Revision -> the versions of Shipmark that build it; the file says those of its own."""


class Deb(Record, frozen=True, kw_only=True):
    """One Debian package, by content."""

    name: str
    version: str
    architecture: str
    archive: str
    """`debian` or `debian-security`: which archive of a mirror has it."""
    path: str
    """Path below the archive's root: `pool/main/...`."""
    sha256: str
    size: int


class Wheel(Record, frozen=True, kw_only=True):
    """One wheel, by content; where it was downloaded from is nobody's business."""

    name: str
    version: str
    filename: str
    sha256: str
    size: int


class Compressor(Record, frozen=True, kw_only=True):
    """What turns layers into gzip; its version is part of the bytes."""

    name: str = "zlib-ng"
    version: str
    level: int = 3
    block_bytes: int = 4 * 1024 * 1024


class PlatformLock(Record, frozen=True, kw_only=True):
    """What is locked for one platform, such as `linux/amd64`; both sorted by name."""

    debs: tuple[Deb, ...]
    wheels: tuple[Wheel, ...]
    """Without the server's, which is the same for every platform."""


class Expected(Record, frozen=True, kw_only=True):
    """The digests that a build of this lock gives; not part of the lock's own digest."""

    manifest: str
    config: str
    revision: int = 0
    """Of the builder; one of another revision gives other digests, and they are not compared."""


class Lock(Record, frozen=True, kw_only=True):
    """A lock; `shipmark.lock.text` reads and writes it."""

    format: int = FORMAT
    model: Model
    """The name, version and settings, as they are written into the image."""
    env: dict[str, str] = {}
    resources: dict[str, str] = {}
    suite: str
    base: str | None = None
    """A base image by digest in place of debs."""
    python: str
    """Minor version: `3.11`."""
    python_exact: str
    """The exact upstream version of the image's Python: `3.11.2`."""
    epoch: int
    """Seconds since 1970-01-01 UTC: the time of every file in the image."""
    compressor: Compressor
    requires: tuple[str, ...]
    """What was resolved, the package's and the server's; another set makes the lock outdated."""
    system: tuple[str, ...] = ()
    """The Debian packages asked for beyond the base set."""
    server: Wheel
    """The shipmark-serve wheel, which Shipmark writes itself."""
    platforms: dict[str, PlatformLock]
    build_python: dict[str, tuple[Deb, ...]]
    """By host architecture (amd64, arm64): the debs of the Python that compiles `.pyc` there."""
    code: tuple[FileEntry, ...]
    weights: tuple[FileEntry, ...]
    expected: dict[str, Expected] = {}
