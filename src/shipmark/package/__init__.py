"""A directory, file or zip -> Package. Nothing of it is executed."""

from pathlib import Path
from typing import BinaryIO

from shipmark.package.package import FileEntry, Package, Source, Version
from shipmark.store.file_hashes import FileHashes

__all__ = ["FileEntry", "Package", "Source", "Version", "read"]


def read(
    path: Path | None,
    *,
    stdin: BinaryIO | None = None,
    name: str | None = None,
    hashes: FileHashes | None = None,
) -> Package:
    """Read the package at `path`, or the zip on `stdin`; nothing of it is executed.

    The caller closes `Package.source` when the files are no longer needed.

    Args:
        path: A directory, a zip, or a single `.onnx`, `.joblib` or `.skops` file.
        stdin: Where a zip comes from when `path` is None.
        name: The model's name; before the one in `shipmark.toml`, and that before the name of
            the file or directory.
        hashes: Knows the hashes of large files that did not change since.

    Raises:
        PackageError: It is no package, or one with mistakes; `complaints` lists them.
    """
    # Who starts an image that is there needs the records above and not all that reads packages.
    from shipmark.package.reader import read_package  # noqa: PLC0415 - see above

    return read_package(path, stdin=stdin, name=name, hashes=hashes)
