"""Whether there is room for the store, the cache and the state, and file systems that suit them."""

import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from shipmark.doctor.finding import Finding, together
from shipmark.doctor.folders import existing, scratch
from shipmark.errors import ShipmarkError
from shipmark.store.disk import explained

_MIB = 1 << 20
_FULL_BYTES = 512 * _MIB
"""Less than this, and the first build of a small model may not fit."""
_SCARCE_BYTES = 2048 * _MIB
_STATE_FULL_BYTES = 64 * _MIB
_STATE_SCARCE_BYTES = 256 * _MIB
_WRITTEN = bytes(64 << 10)
_SCARCE_FILES = 10_000
_ANOTHER = "set SHIPMARK_HOME to a folder on another disk"


def check(*, store: Path, cache: Path, state: Path) -> Finding:
    """Write to each of the three folders, or to where they will be made."""
    uses = {
        "store": (store, "nothing can be locked, built or deployed", _FULL_BYTES, _SCARCE_BYTES),
        "cache": (cache, "nothing can be downloaded", _FULL_BYTES, _SCARCE_BYTES),
        "state": (state, "nothing can be deployed", _STATE_FULL_BYTES, _STATE_SCARCE_BYTES),
    }
    findings: list[Finding] = []
    with ExitStack() as cleanup:
        tried: dict[str, Path] = {}
        for name, (folder, why, full, scarce) in uses.items():
            try:
                made = cleanup.enter_context(scratch(folder))
                with explained(folder, need_bytes=len(_WRITTEN)):
                    _write(made)
            except ShipmarkError as error:
                findings.append(Finding.of(error, why=why))
                continue
            tried[name] = made
            findings.append(_room(name, folder, full, scarce))
        if "store" in tried:
            findings += _suits_the_store(tried["store"], store)
            if "cache" in tried:
                findings += _links(tried["cache"], tried["store"])
    return together(findings)


def _write(folder: Path) -> None:
    with (folder / "written").open("wb") as stream:
        stream.write(_WRITTEN)
        stream.flush()
        os.fsync(stream.fileno())


def _room(name: str, folder: Path, full: int, scarce: int) -> Finding:
    place = existing(folder)
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB free for the {name} {folder}"
    mend = f"free some space, or {_ANOTHER}"
    if free < full:
        return Finding.failed(found, why="a first build takes about 0.5 GB", mend=mend)
    if free < scarce:
        return Finding.warning(found, why="an image with a large library may not fit", mend=mend)
    info = os.statvfs(place)
    if info.f_files and info.f_favail < _SCARCE_FILES:
        return Finding.warning(
            f"room for {info.f_favail} more files on the disk of the {name} {folder}",
            why="an unpacked image has some thousands of files",
            mend=f"delete some files, or {_ANOTHER}",
        )
    return Finding.ok(found)


def _suits_the_store(folder: Path, store: Path) -> list[Finding]:
    findings = []
    if os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        findings.append(
            Finding.failed(
                f"the file system of the store {store} is mounted noexec",
                why="bytecode is compiled by a Python that is unpacked in the store",
                mend=f"mount -o remount,exec it, or {_ANOTHER}",
            )
        )
    (folder / "case").touch()
    if (folder / "CASE").exists():
        findings.append(
            Finding.warning(
                f"the store {store} is on a file system that takes A and a for one letter",
                why="a layer with two such names cannot be unpacked here",
                mend=_ANOTHER,
            )
        )
    try:
        (folder / "link").symlink_to("written")
        (folder / "written").chmod(0o751)
        kept = (folder / "written").stat().st_mode & 0o777 == 0o751
    except OSError:
        kept = False
    if not kept:
        findings.append(
            Finding.failed(
                f"the file system of the store {store} keeps no symbolic links or modes of files",
                why="layers cannot be unpacked",
                mend=_ANOTHER,
            )
        )
    return findings


def _links(cache: Path, store: Path) -> list[Finding]:
    try:
        (store / "hard-link").hardlink_to(cache / "written")
    except OSError:
        if cache.stat().st_dev != store.stat().st_dev:
            return [Finding.ok("cache and store are on two file systems: downloads are copied")]
        return [
            Finding.warning(
                "cache and store cannot share a file by a hard link",
                why="every download takes its room twice",
                mend="put both on a file system with hard links (SHIPMARK_HOME)",
            )
        ]
    return []
