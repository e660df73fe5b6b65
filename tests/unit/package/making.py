"""Making packages and reading their complaints, for the tests of the package folder."""

import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from shipmark.errors import Complaint, PackageError
from shipmark.package import Package, read

PREDICT = "def predict(text: str) -> str:\n    return text\n"
LEAST: dict[str, str | bytes] = {"model.py": PREDICT}


def write_tree(root: Path, files: Mapping[str, str | bytes]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def zip_of(files: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    return zip_of_entries([(entry(name), content) for name, content in files.items()], compression)


def zip_of_entries(
    entries: list[tuple[zipfile.ZipInfo, str | bytes]], compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content, compress_type=compression)
    return buffer.getvalue()


def read_zip(data: bytes, name: str = "demo") -> Package:
    return read(None, stdin=io.BytesIO(data), name=name)


def read_files(tmp_path: Path, files: Mapping[str, str | bytes]) -> Package:
    return read(write_tree(tmp_path / "demo", files))


def complaints(tmp_path: Path, files: Mapping[str, str | bytes]) -> list[Complaint]:
    """What is wrong with a directory of `files`; nothing in it may be right."""
    root = write_tree(tmp_path / "demo", files)
    return complaints_of(root)


def complaints_of(path: Path) -> list[Complaint]:
    with pytest.raises(PackageError) as caught:
        read(path)
    assert caught.value.complaints
    return list(caught.value.complaints)


def complaints_of_zip(data: bytes) -> list[Complaint]:
    with pytest.raises(PackageError) as caught:
        read_zip(data)
    assert caught.value.complaints
    return list(caught.value.complaints)


def the_only(found: list[Complaint]) -> Complaint:
    assert len(found) == 1, [str(each) for each in found]
    return found[0]
