"""Paths inside a package: what may be a path at all, and which may stand side by side."""

import unicodedata
from collections.abc import Iterable, Iterator

MAX_PATH_BYTES = 1024
MAX_PART_BYTES = 255


class UnsafePathError(ValueError):
    """The text is not the path of a file inside a package; the message says why."""


def clean(text: str) -> str:
    """Normalise a path of a package to NFC, without `.` parts.

    Raises:
        UnsafePathError: It is empty, absolute, climbs out, or has characters no path should have.
    """
    if not text:
        raise UnsafePathError("is empty")
    if "\\" in text:
        raise UnsafePathError("has a backslash; paths inside a package use forward slashes")
    if text.startswith("/"):
        raise UnsafePathError("is an absolute path")
    if len(text) > 1 and text[1] == ":" and text[0].isascii() and text[0].isalpha():
        raise UnsafePathError("starts with a drive letter")
    if any(_is_control(character) for character in text):
        raise UnsafePathError("has a control character in its name")
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise UnsafePathError("has a name that is not UTF-8") from None
    normal = unicodedata.normalize("NFC", text)
    parts = [part for part in normal.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UnsafePathError("leaves the package by '..'")
    if not parts:
        raise UnsafePathError("names no file")
    if len(encoded) > MAX_PATH_BYTES or any(len(p.encode()) > MAX_PART_BYTES for p in parts):
        raise UnsafePathError(
            f"is too long (at most {MAX_PATH_BYTES} bytes, {MAX_PART_BYTES} for each part)"
        )
    return "/".join(parts)


def show(text: str) -> str:
    """`text` as it may stand in a message: on one line, at most 200 characters."""
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return plain if len(plain) <= 200 else f"{plain[:200]}..."


def parents(path: str) -> Iterator[str]:
    """The folders above `path`, outermost first."""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def collisions(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of paths that cannot both exist on every file system.

    Two equal paths, two that differ in upper and lower case alone, and a file where another
    path needs a folder.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        key = _fold(path)
        if key in files:
            yield files[key], path
            continue
        files[key] = path
        for parent in parents(path):
            if (other := folders.setdefault(_fold(parent), parent)) != parent:
                yield other, parent
    for key in files.keys() & folders.keys():
        yield files[key], f"{folders[key]}/"


def _fold(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Zl", "Zp")
