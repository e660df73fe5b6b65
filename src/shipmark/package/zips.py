"""A package in a zip, read safely: nothing is unpacked, every bound is a constant.

Entries are streamed out of the archive when they are asked for, so no path of a zip ever becomes
a path of the host. What could be read in two ways (a name twice, names that differ in case only,
other sizes than announced) is refused. A zip inside is just a file.
"""

import io
import posixpath
import struct
import unicodedata
import zipfile
import zlib
from typing import BinaryIO, cast

from shipmark.errors import PackageError
from shipmark.package import zip_entries
from shipmark.package.complaints import Complaints, refusal
from shipmark.package.ignore import IGNORE_FILE, MAX_IGNORE_BYTES, IgnoreRules
from shipmark.package.paths import show
from shipmark.package.tree import MAX_FILES, Found, complain_of_collisions

MAX_DIRECTORY_BYTES = 64 * 1024 * 1024
"""The archive's table of entries; also the most that one read asks of the archive."""

MAX_TOTAL_BYTES = 64 * 1024**3
"""All files together, unpacked."""

MAX_RATIO = 200
"""Unpacked bytes for each byte of the archive, once `RATIO_FREE_BYTES` are passed."""

RATIO_FREE_BYTES = 64 * 1024 * 1024

MAX_LINK_STEPS = 8

_CORRUPT = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    struct.error,
)
"""What `zipfile` raises for archives that are broken in one way or another."""

_OTHER_FORMATS = (
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"7z\xbc\xaf", "a 7-Zip file"),
    (b"Rar!", "a RAR file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
)


class ZipSource:
    """Files streamed from an open archive; owns and closes it."""

    def __init__(self, archive: zipfile.ZipFile, files: dict[Found, zipfile.ZipInfo]) -> None:
        self.found = tuple(sorted(files, key=lambda found: found.path))
        self._archive = archive
        self._entries = {found.path: entry for found, entry in files.items()}

    def open(self, path: str) -> BinaryIO:
        """Open an entry; errors of the archive come as PackageError while it is read."""
        entry = self._entries.get(path)
        if entry is None:
            raise refusal(show(path), "is not in the zip")
        return _open_entry(self._archive, entry, path)

    def close(self) -> None:
        """Close the archive and the stream it was opened on."""
        stream = self._archive.fp
        self._archive.close()
        if stream is not None:
            stream.close()


def open_zip(stream: BinaryIO, complaints: Complaints) -> ZipSource:
    """Look through the zip in `stream`, which must be seekable and now belongs to the source.

    Raises:
        PackageError: It is no zip that can be read at all. Smaller faults go to `complaints`.
    """
    size = stream.seek(0, io.SEEK_END)
    archive = _open_archive(stream, size)
    try:
        _check_bounds(archive.infolist(), size)
        entries = zip_entries.named(archive.infolist(), complaints)
        complain_of_collisions([path for path, _ in entries], complaints)
        inner = zip_entries.without_top_folder(entries)
        rules = _rules(archive, inner, complaints)
        environments = {path.rpartition("/")[0] for path in inner if path.endswith("/pyvenv.cfg")}
        files: dict[Found, zipfile.ZipInfo] = {}
        for path in inner:
            if rules.ignores(path, environments):
                continue
            if zip_entries.is_link(inner[path]) and rules.ignores_link(path):
                continue
            if (entry := _readable(archive, inner, path, complaints)) is not None:
                files[Found(path, entry.file_size, zip_entries.is_executable(entry))] = entry
    except BaseException:
        archive.close()
        raise
    return ZipSource(archive, files)


class _BoundedFile(io.RawIOBase):
    """The archive's bytes, refusing to read at once more than a table of entries may have."""

    def __init__(self, inner: BinaryIO) -> None:
        super().__init__()
        self._inner = inner

    def read(self, size: int = -1, /) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("the table of entries is too large")
        return self._inner.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._inner.close()
        super().close()


class _EntryReader(io.RawIOBase):
    """One entry being read; a fault of the archive becomes a PackageError with its path."""

    def __init__(self, inner: zipfile.ZipExtFile, path: str) -> None:
        super().__init__()
        self._inner = inner
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return self._inner.seek(offset, whence)
        except _CORRUPT as error:
            raise _corrupt_entry(self._path, error) from error

    def tell(self) -> int:
        return self._inner.tell()

    def readinto(self, buffer: object, /) -> int:
        view = cast("memoryview", buffer)
        try:
            data = self._inner.read(len(view))
        except _CORRUPT as error:
            raise _corrupt_entry(self._path, error) from error
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()


def _open_archive(stream: BinaryIO, size: int) -> zipfile.ZipFile:
    stream.seek(0)
    head = stream.read(8)
    if size == 0:
        raise refusal("the zip", "is empty (0 bytes)", "pack the files of the package again")
    try:
        return zipfile.ZipFile(_BoundedFile(stream))
    except _CORRUPT as error:
        if head.startswith(b"PK\x03\x04"):
            raise refusal(
                "the zip",
                f"is cut off or corrupt ({_words(error)})",
                "copy or pack it again; `unzip -t` tells whether it is whole",
            ) from error
        stream.seek(257)
        kind = "a tar archive" if stream.read(5) == b"ustar" else None
        kind = kind or next(
            (name for magic, name in _OTHER_FORMATS if head.startswith(magic)), None
        )
        raise refusal(
            "the zip",
            f"is {kind}, not a zip" if kind else "is not a zip",
            "give a directory, a zip, or a .onnx, .joblib or .skops file",
        ) from error


def _check_bounds(entries: list[zipfile.ZipInfo], archive_size: int) -> None:
    if len(entries) > MAX_FILES:
        raise refusal(
            "the zip", f"has {len(entries)} entries; at most {MAX_FILES} are read", "pack fewer"
        )
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        raise refusal(
            "the zip",
            f"would unpack to {total} bytes; at most {MAX_TOTAL_BYTES} are read",
            "give a directory instead",
        )
    if total > RATIO_FREE_BYTES and total > MAX_RATIO * archive_size:
        raise refusal(
            "the zip",
            f"would unpack to {total // archive_size} times its size; "
            f"at most {MAX_RATIO} times are read",
            "give a directory instead",
        )


def _rules(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], complaints: Complaints
) -> IgnoreRules:
    if IGNORE_FILE not in entries:
        return IgnoreRules()
    entry = _readable(archive, entries, IGNORE_FILE, complaints)
    if entry is None:
        return IgnoreRules()
    with _open_entry(archive, entry, IGNORE_FILE) as stream:
        return IgnoreRules.parse(stream.read(MAX_IGNORE_BYTES + 1), complaints)


def _readable(
    archive: zipfile.ZipFile,
    entries: dict[str, zipfile.ZipInfo],
    path: str,
    complaints: Complaints,
) -> zipfile.ZipInfo | None:
    """The entry whose bytes stand for `path`; a link is followed to the file it leads to."""
    at = path
    for _ in range(MAX_LINK_STEPS):
        entry = entries[at]
        if (fault := zip_entries.fault(entry)) is not None:
            complaints.add(zip_entries.place(at), *fault)
            return None
        if not zip_entries.is_link(entry):
            return entry
        with _open_entry(archive, entry, at) as stream:
            data = stream.read(zip_entries.MAX_LINK_BYTES)
        target = unicodedata.normalize("NFC", data.decode(errors="replace"))
        at = posixpath.normpath(posixpath.join(posixpath.dirname(at), target))
        if at not in entries:
            complaints.add(
                zip_entries.place(path),
                zip_entries.wrong_link(at, target, entries),
                "pack the files themselves in its place (zip -r follows links)",
            )
            return None
    complaints.add(
        zip_entries.place(path), "is a link that leads in a circle", "pack the file itself"
    )
    return None


def _open_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str) -> BinaryIO:
    try:
        inner = archive.open(entry)
    except _CORRUPT as error:
        raise _corrupt_entry(path, error) from error
    return io.BufferedReader(_EntryReader(cast("zipfile.ZipExtFile", inner), path))


def _corrupt_entry(path: str, error: Exception) -> PackageError:
    return refusal(
        show(path),
        f"is damaged in the zip ({_words(error)})",
        "copy or pack the zip again; `unzip -t` tells whether it is whole",
    )


def _words(error: Exception) -> str:
    return show(str(error) or type(error).__name__)
