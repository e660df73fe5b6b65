"""gc: what nothing references is taken away.

Kept are the blobs, materials and unpacked layers that an image or a deployment needs. What the
cache remembers, and the tools, are kept with the blobs that they speak of.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from shipmark.digest import Digest
from shipmark.store import file_hashes
from shipmark.store.holdings import Holdings
from shipmark.store.removal import Removal
from shipmark.store.store import Remembered, Store

_HEX = re.compile(r"[0-9a-f]{64}")


def collect(store: Store, needed: Iterable[Holdings], removal: Removal) -> None:
    """Take away what is not needed; call it within `Store.alone`.

    Args:
        store: What to clear.
        needed: The holdings of every named image and of every deployment.
        removal: Takes it away.

    Raises:
        ShipmarkError: The disk refuses.
    """
    blobs: set[Digest] = set()
    unpacked: set[Digest] = set()
    for each in needed:
        blobs.update(each.blobs, each.materials)
        unpacked.update(each.unpacked)
    root = store.root
    tools = set()
    for path in _files(root / "cache"):
        record = _remembered(path)
        if record is None or not blobs.issuperset(record.blobs) or _is_stale(path, record):
            removal.take("cache record", path)
        elif path.parent.name == "tool":
            tools.add(path.stem)
    for path in _named(root / "tools"):
        if path.name not in tools:
            removal.take("tool", path)
    for path in _named(root / "unpacked"):
        if f"sha256:{path.name}" not in unpacked:
            removal.take("unpacked layer", path)
    for path in _named(root / "blobs" / "sha256"):
        if f"sha256:{path.name}" not in blobs:
            removal.take("blob", path)
    for path in store.left():
        removal.take("temporary file", path)


def _files(cache: Path) -> Iterator[Path]:
    return (path for path in sorted(cache.glob("*/*.json")) if _HEX.fullmatch(path.stem))


def _named(folder: Path) -> Iterator[Path]:
    """What lies in a folder under a digest; anything else is not ours."""
    return (path for path in sorted(folder.glob("*")) if _HEX.fullmatch(path.name))


def _remembered(path: Path) -> Remembered | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Remembered)
    except (OSError, msgspec.DecodeError):
        return None


def _is_stale(path: Path, record: Remembered) -> bool:
    return path.parent.name == file_hashes.KIND and file_hashes.is_stale(bytes(record.value))
