"""From what the user named (a directory, a file, a zip, standard input) to the files in it."""

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shipmark.digest import CHUNK_BYTES
from shipmark.errors import PackageError
from shipmark.package.complaints import Complaints, refusal
from shipmark.package.detect import ONNX, nearly_model, runtime_of
from shipmark.package.directory import open_regular, pick_files, scan_directory
from shipmark.package.golden_files import golden_beside
from shipmark.package.onnx_file import external_paths, read_onnx
from shipmark.package.paths import UnsafePathError, clean
from shipmark.package.tree import Tree
from shipmark.package.zips import MAX_TOTAL_BYTES, open_zip

LOCK_NAME = "shipmark.lock"
STANDARD_INPUT = "standard input"

_WHAT_TO_GIVE = "give a directory, a zip, or a .onnx, .joblib or .skops file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The files, and how the package is called until it says so itself."""

    tree: Tree
    stem: str | None
    """What the default name is made of; None for standard input."""
    lock_path: str | None


def open_path(path: Path, complaints: Complaints) -> Opened:
    """Open the package at `path`.

    Raises:
        PackageError: There is nothing that could be a package.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise refusal(str(path), f"cannot be opened ({reason})", _WHAT_TO_GIVE) from error
    if stat.S_ISDIR(mode):
        lock_path = str(path / LOCK_NAME)
        tree = scan_directory(path, complaints)
        return Opened(tree=tree, stem=path.resolve().name, lock_path=lock_path)
    if not stat.S_ISREG(mode):
        raise refusal(
            path.name, "is neither a directory nor a regular file", "for a zip from a pipe, give -"
        )
    lock_path = str(path.with_name(f"{path.stem}.{LOCK_NAME}"))
    if runtime_of(path.name) is not None:
        return Opened(tree=_open_model(path, complaints), stem=path.stem, lock_path=lock_path)
    if (mend := nearly_model(path.name)) is not None:
        raise refusal(path.name, "is not a model file that can be served by itself", mend)
    if path.suffix == ".py":
        raise refusal(path.name, "is one file of a package", f"give its directory: {path.parent}")
    stream = open_regular(Path(os.path.realpath(path)), path.name)
    return Opened(tree=_open_zip(stream, complaints), stem=path.stem, lock_path=lock_path)


def open_standard_input(stdin: BinaryIO, complaints: Complaints) -> Opened:
    """Open the zip that comes in on `stdin`, kept in a temporary file until the source is closed.

    Raises:
        PackageError: It is no zip, or there is no room for it.
    """
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - the source owns and closes it
    try:
        _spool(stdin, stream)
    except BaseException:
        stream.close()
        raise
    return Opened(tree=_open_zip(stream, complaints), stem=None, lock_path=None)


def _spool(stdin: BinaryIO, stream: BinaryIO) -> None:
    size = 0
    try:
        while chunk := stdin.read(CHUNK_BYTES):
            size += len(chunk)
            if size > MAX_TOTAL_BYTES:
                raise refusal(
                    STANDARD_INPUT,
                    f"is larger than {MAX_TOTAL_BYTES} bytes",
                    "give a directory instead",
                )
            stream.write(chunk)
        stream.flush()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise refusal(
            STANDARD_INPUT,
            f"could not be kept in {tempfile.gettempdir()} ({reason})",
            "set TMPDIR to a directory with more room",
        ) from error


def _open_zip(stream: BinaryIO, complaints: Complaints) -> Tree:
    try:
        return open_zip(stream, complaints)
    except BaseException:
        stream.close()
        raise


def _open_model(path: Path, complaints: Complaints) -> Tree:
    """The model file with its golden records and, for ONNX, its external data beside it."""
    try:
        name = clean(path.name)
    except UnsafePathError as error:
        raise refusal(path.name, str(error), "rename the file") from error
    beside = [golden_beside(name)]
    tree = pick_files(path, beside, complaints)
    if runtime_of(name) != ONNX:
        return tree
    size = path.stat().st_size
    try:
        external = external_paths(read_onnx(tree, name, size), name, Complaints(name))
    except PackageError:
        return tree  # the reader of the model will say what is wrong with it
    return pick_files(path, [*beside, *external], complaints)
