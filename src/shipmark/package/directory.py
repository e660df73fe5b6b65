"""A package in a directory, or the few files that make a single model file a package.

Links are read as the files they lead to, when those lie inside the directory; a link to a folder
is refused, since a zip or a clone elsewhere would not have its files.
"""

import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from shipmark.errors import PackageError
from shipmark.package.complaints import Complaints, refusal
from shipmark.package.ignore import IGNORE_FILE, MAX_IGNORE_BYTES, IgnoreRules
from shipmark.package.paths import UnsafePathError, clean, show
from shipmark.package.tree import MAX_FILES, Found, complain_of_collisions

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device file"),
    (stat.S_ISCHR, "a device file"),
)


class DirectorySource:
    """Files read from where they lie."""

    def __init__(self, files: dict[Found, Path]) -> None:
        self.found = tuple(sorted(files, key=lambda found: found.path))
        self._places = {found.path: place for found, place in files.items()}

    def open(self, path: str) -> BinaryIO:
        """Open a file that the scan has found; it must still be a regular file."""
        place = self._places.get(path)
        if place is None:
            raise _unreadable(path, "is not there")
        return open_regular(place, path)

    def close(self) -> None:
        """Do nothing: no file is held open."""


def scan_directory(root: Path, complaints: Complaints) -> DirectorySource:
    """Find the files of the package in the directory `root`."""
    scan = _Scan(root, complaints)
    files = list(scan.files(root, ""))
    complain_of_collisions([found.path for found, _ in files], complaints)
    return DirectorySource(dict(files))


def pick_files(model: Path, beside: Iterable[str], complaints: Complaints) -> DirectorySource:
    """Make a source of the file `model` and of those files `beside` it that are there.

    The user has named the model, so it may be a link to anywhere; the others may not.
    """
    real = Path(os.path.realpath(model))
    files = {_found(model.name, real, real.stat()): real}
    scan = _Scan(model.parent, complaints, IgnoreRules())
    for path in sorted(set(beside) - {model.name}):
        place = model.parent / path
        if os.path.lexists(place) and (regular := scan.regular(place, path)) is not None:
            files[_found(path, *regular)] = regular[0]
    return DirectorySource(files)


def open_regular(place: Path, path: str) -> BinaryIO:
    """Open `place`, called `path` in messages, without following a link or waiting on a pipe.

    Raises:
        PackageError: It cannot be read or is no regular file.
    """
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(path, f"cannot be read ({_reason(error)})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unreadable(path, "is no regular file any more")
    return os.fdopen(descriptor, "rb")


class _Scan:
    def __init__(
        self, root: Path, complaints: Complaints, rules: IgnoreRules | None = None
    ) -> None:
        self._root = os.path.realpath(root)
        self._complaints = complaints
        self._count = 0
        self._rules = rules or self._read_rules(root)

    def _read_rules(self, root: Path) -> IgnoreRules:
        if not os.path.lexists(root / IGNORE_FILE):
            return IgnoreRules()
        regular = self.regular(root / IGNORE_FILE, IGNORE_FILE)
        if regular is None:
            return IgnoreRules()
        try:
            with open_regular(regular[0], IGNORE_FILE) as stream:
                return IgnoreRules.parse(stream.read(MAX_IGNORE_BYTES + 1), self._complaints)
        except PackageError as error:
            self._complaints.add_all(error)
            return IgnoreRules()

    def files(self, folder: Path, prefix: str) -> Iterator[tuple[Found, Path]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._complaints.add(
                show(prefix or "."),
                f"is a folder that cannot be read ({_reason(error)})",
                "give the user who runs shipmark the right to read it, or ignore it in "
                f"{IGNORE_FILE}",
            )
            return
        if prefix and any(entry.name == "pyvenv.cfg" for entry in entries):
            return
        for entry in entries:
            raw = unicodedata.normalize("NFC", f"{prefix}{entry.name}")
            is_folder = entry.is_dir(follow_symlinks=False)
            if self._ignores(raw, entry, is_folder=is_folder):
                continue
            try:
                path = clean(raw)
            except UnsafePathError as error:
                mend = f"rename it, or ignore it in {IGNORE_FILE}"
                self._complaints.add(show(raw), str(error), mend)
                continue
            if is_folder:
                yield from self.files(Path(entry.path), f"{path}/")
            else:
                yield from self._file(Path(entry.path), path)

    def _ignores(self, raw: str, entry: os.DirEntry[str], *, is_folder: bool) -> bool:
        if is_folder:
            return self._rules.ignores_folder(raw)
        if entry.is_symlink():
            return self._rules.ignores_link(raw)
        return self._rules.ignores_file(raw)

    def _file(self, place: Path, path: str) -> Iterator[tuple[Found, Path]]:
        self._count += 1
        if self._count > MAX_FILES:
            self._complaints.add(
                ".",
                f"has more than {MAX_FILES} files",
                f"ignore what is no part of the model in {IGNORE_FILE}",
            )
            self._complaints.raise_if_any()
        if (regular := self.regular(place, path)) is not None:
            real, status = regular
            yield _found(path, real, status), real

    def regular(self, place: Path, path: str) -> tuple[Path, os.stat_result] | None:
        """Where the file really lies; anything that is no file inside is complained of."""
        try:
            real = Path(os.path.realpath(place, strict=True)) if place.is_symlink() else place
            status = real.lstat()
        except OSError as error:
            if place.is_symlink():
                self._complaints.add(
                    show(path), "is a link that leads nowhere", "remove it or mend its target"
                )
            else:
                self._complaints.add(show(path), f"cannot be read ({_reason(error)})")
            return None
        if real != place and not real.is_relative_to(self._root):
            self._complaints.add(
                show(path),
                f"is a link out of the package (to {show(_target(place))})",
                f"copy the file in its place: cp --remove-destination $(realpath {show(path)}) "
                f"{show(path)}",
            )
            return None
        if stat.S_ISREG(status.st_mode):
            return real, status
        if stat.S_ISDIR(status.st_mode):
            self._complaints.add(
                show(path),
                "is a link to a folder",
                "copy the folder in its place, or link its files one by one",
            )
            return None
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "no regular file")
        self._complaints.add(show(path), f"is {kind}", f"remove it, or ignore it in {IGNORE_FILE}")
        return None


def _found(path: str, real: Path, status: os.stat_result) -> Found:
    return Found(path, status.st_size, bool(status.st_mode & stat.S_IXUSR), real.absolute())


def _target(place: Path) -> str:
    with suppress(OSError):
        return str(place.readlink())
    return "an unknown place"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unreadable(path: str, message: str) -> PackageError:
    return refusal(show(path), message, "check that it is there and may be read")
