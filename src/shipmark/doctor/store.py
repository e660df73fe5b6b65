"""Whether the store is sound: locks hold, no blob is damaged, nothing is left over."""

import fcntl
import hashlib
import shlex
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from shipmark.digest import CHUNK_BYTES
from shipmark.doctor.finding import Finding, together
from shipmark.doctor.folders import file_system, scratch
from shipmark.errors import ShipmarkError

_OF_THE_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gpfs", "lustre",
    "nfs", "nfs4", "smb3", "smbfs", "virtiofs",
}  # fmt: skip
_READ_S = 4.0
_LEFT_OVER_AFTER = timedelta(days=1)
_SHOWN = 3


def check(root: Path, *, now: datetime) -> Finding:
    """Look through the store; blobs are read through, the small ones first, for some seconds."""
    return together([*_kind(root), *_locks(root), *_left_over(root, now), _blobs(root)])


def _kind(root: Path) -> Iterator[Finding]:
    kind = file_system(root)
    if kind in _OF_THE_NETWORK:
        yield Finding.warning(
            f"the store {root} is on a network file system ({kind})",
            why="locks may not hold between hosts, overlay mounts may be refused, builds are slow",
            mend="set SHIPMARK_HOME to a folder on a local disk; share images through a registry",
        )


def _locks(root: Path) -> Iterator[Finding]:
    try:
        with scratch(root) as folder, (folder / "lock").open("wb") as stream:
            try:
                for take in (fcntl.flock, fcntl.lockf):
                    take(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                yield Finding.failed(
                    f"locks cannot be taken below {root}: {error.strerror}",
                    why="two builds at once would disturb each other",
                    mend="start the lock service of the network file system (rpc.statd), or set "
                    "SHIPMARK_HOME to a folder on a local disk",
                )
    except ShipmarkError:
        return  # nothing can be written: the check `disk` tells of it


def _left_over(root: Path, now: datetime) -> Iterator[Finding]:
    before = (now - _LEFT_OVER_AFTER).timestamp()
    old = [path for path in sorted((root / "tmp").glob("*")) if _changed(path) < before]
    if old:
        yield Finding.warning(
            f"{root / 'tmp'} has {len(old)} left over from work that was cut off",
            why="what is left over takes up room and is of no use",
            mend="rm -rf " + shlex.join(map(str, old)),
        )


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _blobs(root: Path) -> Finding:
    blobs = sorted(_sizes(root / "blobs" / "sha256"))
    until = time.monotonic() + _READ_S
    damaged: list[str] = []
    count = 0
    for _, path in blobs:
        fault = _fault(path, until)
        if fault is None:
            break
        count += 1
        if fault:
            damaged.append(str(path))
    if damaged:
        shown = ", ".join(Path(path).name[:12] for path in damaged[:_SHOWN])
        more = ", ..." if len(damaged) > _SHOWN else ""
        return Finding.failed(
            f"{_count(len(damaged))} in {root} damaged: {shown}{more}",
            why="builds and deployments that need them are refused",
            mend=f"rm -f {shlex.join(damaged)}\nand build again what needs them",
        )
    size_gb = sum(size for size, _ in blobs) / 1e9
    read = "all" if count == len(blobs) else f"the {count} smallest"
    return Finding.ok(f"{_count(len(blobs))} in {root}, {size_gb:.2f} GB, {read} read through")


def _sizes(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob("*"):
        try:
            yield path.stat().st_size, path
        except FileNotFoundError:
            continue  # removed meanwhile


def _fault(path: Path, until: float) -> bool | None:
    """Whether the bytes are not those of the name; None once the time is up."""
    state = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                if time.monotonic() > until:
                    return None
                state.update(chunk)
    except FileNotFoundError:
        return False  # removed meanwhile
    except OSError:
        return True
    return state.hexdigest() != path.name


def _count(number: int) -> str:
    return f"{number} {'blob' if number == 1 else 'blobs'}"
