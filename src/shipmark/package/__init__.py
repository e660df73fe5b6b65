"""A directory, file or zip -> Package. Nothing of it is executed."""

from shipmark.package.package import FileEntry, Package, Source, Version
from shipmark.package.reader import read

__all__ = ["FileEntry", "Package", "Source", "Version", "read"]
