"""What the entries of a zip are by their names and attributes; nothing of them is read here."""

import stat
import zipfile

from shipmark.package.complaints import Complaints, refusal
from shipmark.package.ignore import IgnoreRules
from shipmark.package.paths import UnsafePathError, clean, parents, show

MAX_LINK_BYTES = 4096

KEPT_FOLDERS = ("weights", "golden")
"""A single top folder of one of these names is part of the package, not a wrapping around it."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_OTHER_METHODS = {9: "deflate64", 14: "LZMA", 93: "Zstandard", 95: "XZ", 99: "AES"}
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800


def named(
    entries: list[zipfile.ZipInfo], complaints: Complaints
) -> list[tuple[str, zipfile.ZipInfo]]:
    """The files among the entries, each by its path; unsafe names are complained of.

    Raises:
        PackageError: No file is among them.
    """
    named: list[tuple[str, zipfile.ZipInfo]] = []
    for entry in entries:
        name = _name(entry)
        if name == "./":
            continue
        try:
            path = clean(name)
        except UnsafePathError as error:
            complaints.add(place(name), str(error), "pack the zip again without it")
            continue
        if not name.endswith("/"):
            named.append((path, entry))
    if not named:
        complaints.raise_if_any()
        raise refusal("the zip", "holds no files", "pack the files of the package into it")
    return named


def without_top_folder(named: list[tuple[str, zipfile.ZipInfo]]) -> dict[str, zipfile.ZipInfo]:
    """The entries, below the one folder around them where there is one.

    What nobody means to pack (`__MACOSX`, `.DS_Store`) may lie beside that folder.
    """
    junk = IgnoreRules()
    top = None
    for path, _ in named:
        first, slash, _ = path.partition("/")
        if first != top and not junk.ignores(path):
            if top is not None or not slash or first in KEPT_FOLDERS:
                return dict(named)
            top = first
    if top is None:
        return dict(named)
    prefix = f"{top}/"
    return {path.removeprefix(prefix): entry for path, entry in named if path.startswith(prefix)}


def fault(entry: zipfile.ZipInfo) -> tuple[str, str] | None:
    """Why an entry cannot be read, and the mend."""
    kind = _kind(entry)
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted", "pack the zip again without a password"
    if entry.compress_type not in _METHODS:
        method = _OTHER_METHODS.get(entry.compress_type, f"number {entry.compress_type}")
        return f"is compressed by a method that is not read ({method})", "pack it with deflate"
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        return "is a device file, pipe or socket", "pack the zip again without it"
    if is_link(entry) and entry.file_size > MAX_LINK_BYTES:
        return "is a link with a target too long to be one", "pack the zip again without it"
    return None


def wrong_link(at: str, target: str, entries: dict[str, zipfile.ZipInfo]) -> str:
    """What is wrong with a link to `target`, which resolves to `at`."""
    if at.startswith(("/", "../")) or at == "..":
        return f"is a link out of the package (to {show(target)})"
    if any(at in parents(path) for path in entries):
        return "is a link to a folder"
    return "is a link that leads nowhere"


def _kind(entry: zipfile.ZipInfo) -> int:
    """The Unix file type, 0 where the packer wrote none."""
    return stat.S_IFMT(entry.external_attr >> 16)


def is_link(entry: zipfile.ZipInfo) -> bool:
    """Whether the entry is a symbolic link; its content is then the target."""
    return _kind(entry) == stat.S_IFLNK


def is_executable(entry: zipfile.ZipInfo) -> bool:
    """Whether its owner may execute it."""
    return bool((entry.external_attr >> 16) & stat.S_IXUSR)


def place(name: str) -> str:
    """What a complaint calls an entry."""
    return f"zip entry {show(name)!r}"


def _name(entry: zipfile.ZipInfo) -> str:
    """The name as it was meant: many packers write UTF-8 without saying so."""
    name = entry.orig_filename
    if not entry.flag_bits & _UTF8_NAME:
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            return name
    return name
