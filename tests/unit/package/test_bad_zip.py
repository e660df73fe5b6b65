"""Every kind of hostile or broken zip is refused with a sentence of its own."""

import io
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest

from shipmark.errors import PackageError
from shipmark.package import read, zips
from shipmark.package.complaints import Complaints
from tests.unit.package.making import (
    LEAST,
    PREDICT,
    complaints_of_zip,
    entry,
    read_zip,
    the_only,
    zip_of,
)
from tests.unit.package.making import zip_of_entries as zipped


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/passwd", "absolute path"),
        ("../outside.py", "leaves the package by '..'"),
        ("a/../../outside.py", "leaves the package by '..'"),
        ("..", "leaves the package by '..'"),
        ("a\\b.py", "backslash"),
        ("..\\outside.py", "backslash"),
        ("C:/windows.py", "drive letter"),
        ("c:evil.py", "drive letter"),
        ("a\nb.py", "control character"),
        ("a\x00b.py", "control character"),
        ("a\x7fb.py", "control character"),
        ("x" * 300, "too long"),
        ("/".join(["abcdefgh"] * 200), "too long"),
    ],
)
def test_unsafe_name(name: str, words: str) -> None:
    info = entry("placeholder")
    info.filename = name
    found = the_only(complaints_of_zip(zipped([(entry("model.py"), PREDICT), (info, b"x")])))
    assert found.place.startswith("zip entry ")
    assert words in found.message
    assert "\n" not in str(found)


def test_unsafe_folder_name() -> None:
    data = zipped([(entry("model.py"), PREDICT), (entry("../up/", stat.S_IFDIR | 0o755), b"")])
    assert "leaves the package" in the_only(complaints_of_zip(data)).message


def test_every_unsafe_name_is_listed_in_one_pass() -> None:
    data = zip_of({"model.py": PREDICT, "../a": "", "/b": "", "c\\d": ""})
    assert len(complaints_of_zip(data)) == 3


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/etc/passwd", "link out of the package (to /etc/passwd)"),
        ("../../etc/passwd", "link out of the package (to ../../etc/passwd)"),
        ("..", "link out of the package"),
        ("missing.py", "link that leads nowhere"),
        ("weights", "link to a folder"),
        ("link", "leads in a circle"),
    ],
)
def test_bad_link(target: str, words: str) -> None:
    data = zipped(
        [
            (entry("model.py"), PREDICT),
            (entry("weights/w.bin"), b"w"),
            (entry("link", stat.S_IFLNK | 0o777), target),
        ]
    )
    found = the_only(complaints_of_zip(data))
    assert words in found.message
    assert found.mend


def test_link_inside_is_read_as_its_file() -> None:
    package = read_zip(
        zipped(
            [
                (entry("model.py"), PREDICT),
                (entry("weights/w.bin"), b"weights"),
                (entry("weights/alias.bin", stat.S_IFLNK | 0o777), "../weights/w.bin"),
            ]
        )
    )
    one, other = package.weights
    assert (one.sha256, one.size) == (other.sha256, other.size)
    with package.source.open("weights/alias.bin") as stream:
        assert stream.read() == b"weights"
    package.source.close()


def test_endless_link_target() -> None:
    info = entry("link", stat.S_IFLNK | 0o777)
    data = zipped([(entry("model.py"), PREDICT), (info, b"a" * 5000)])
    assert "too long to be one" in the_only(complaints_of_zip(data)).message


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_device(kind: int) -> None:
    data = zipped([(entry("model.py"), PREDICT), (entry("null", kind | 0o666), b"")])
    assert "device file, pipe or socket" in the_only(complaints_of_zip(data)).message


def test_duplicate_name() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = zipped([(entry("model.py"), PREDICT), (entry("model.py"), PREDICT + "#")])
    found = the_only(complaints_of_zip(data))
    assert str(found) == "model.py: is there twice"


def test_duplicate_after_normalisation() -> None:
    data = zip_of({"model.py": PREDICT, "caf\u00e9.txt": "1", "cafe\u0301.txt": "2"})
    assert "is there twice" in the_only(complaints_of_zip(data)).message


@pytest.mark.parametrize("other", ["MODEL.py", "Model.PY"])
def test_names_that_collide_in_case(other: str) -> None:
    found = the_only(complaints_of_zip(zip_of({"model.py": PREDICT, other: PREDICT})))
    assert f"differs from {other} in upper and lower case only" in found.message


def test_folders_that_collide_in_case() -> None:
    data = zip_of({"model.py": PREDICT, "lib/a.py": "", "LIB/b.py": ""})
    assert "upper and lower case only" in the_only(complaints_of_zip(data)).message


def test_file_and_folder_of_one_name() -> None:
    data = zip_of({"model.py": PREDICT, "a": "", "a/b": ""})
    assert the_only(complaints_of_zip(data)).message == "is a file, and a/ is a folder"


def test_bomb_by_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "RATIO_FREE_BYTES", 1024)
    data = zip_of({"model.py": PREDICT, "zeros": bytes(10_000_000)})
    found = the_only(complaints_of_zip(data))
    assert "times its size; at most 200 times" in found.message


def test_real_weights_of_zeros_are_no_bomb() -> None:
    read_zip(zip_of({"model.py": PREDICT, "weights/zeros": bytes(10_000_000)})).source.close()


def test_bomb_by_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MAX_TOTAL_BYTES", 100_000)
    data = zip_of({"model.py": PREDICT, "zeros": bytes(200_000)})
    assert "would unpack to 200047 bytes" in the_only(complaints_of_zip(data)).message


def test_bomb_by_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MAX_FILES", 10)
    data = zip_of({f"{n}.txt": b"" for n in range(11)})
    assert "has 11 entries; at most 10 are read" in the_only(complaints_of_zip(data)).message


def test_bomb_by_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MAX_DIRECTORY_BYTES", 1000)
    data = zip_of({f"{n}.txt": b"" for n in range(100)})
    assert "table of entries is too large" in the_only(complaints_of_zip(data)).message


def test_bomb_inside_is_just_a_file() -> None:
    bomb = zip_of({"zeros": bytes(50_000_000)})
    package = read_zip(zip_of({**LEAST, "data/bomb.zip": bomb}, zipfile.ZIP_STORED))
    assert {found.path: found.size for found in package.code}["data/bomb.zip"] == len(bomb)
    package.source.close()


def test_entry_that_announces_less_than_it_has() -> None:
    data = bytearray(zip_of({"model.py": PREDICT, "w": b"a" * 1000}, zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.rfind(signature)
        assert struct.unpack_from("<I", data, at + offset) == (1000,)
        struct.pack_into("<I", data, at + offset, 10)
    found = complaints_of_zip(bytes(data))
    assert any("is damaged in the zip" in each.message for each in found)


def test_damaged_entry() -> None:
    data = bytearray(zip_of({"model.py": PREDICT, "w": b"a" * 1000}, zipfile.ZIP_STORED))
    at = data.find(b"aaaa")
    data[at] = ord("b")
    found = the_only(complaints_of_zip(bytes(data)))
    assert found.place == "w"
    assert "Bad CRC-32" in found.message


def test_damage_that_appears_while_an_open_entry_is_read() -> None:
    data = zip_of({"model.py": PREDICT, "w": b"a" * 1000}, zipfile.ZIP_STORED)
    stream = io.BytesIO(data)
    source = zips.open_zip(stream, Complaints("demo"))
    stream.getbuffer()[data.find(b"aaaa")] = ord("b")
    with source.open("w") as opened, pytest.raises(PackageError, match="w: is damaged"):
        opened.read()
    source.close()


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_truncated(keep: float) -> None:
    data = zip_of({"model.py": PREDICT, "w": b"abc" * 1000}, zipfile.ZIP_STORED)
    found = the_only(complaints_of_zip(data[: int(len(data) * keep)]))
    assert "is cut off or corrupt" in found.message


def test_encrypted() -> None:
    data = bytearray(zip_of({"model.py": PREDICT, "w": b"a"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        data[at + offset] |= 1
    found = the_only(complaints_of_zip(bytes(data)))
    assert str(found) == "zip entry 'model.py': is encrypted"
    assert "without a password" in found.mend


def test_unknown_compression() -> None:
    data = zip_of({"model.py": PREDICT, "w": b"a" * 100}, zipfile.ZIP_LZMA)
    found = complaints_of_zip(data)
    assert len(found) == 2
    assert all("a method that is not read (LZMA)" in each.message for each in found)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"hello world", "is not a zip"),
        (b"\x1f\x8b\x08" + bytes(40), "is a gzip file, not a zip"),
        (bytes(257) + b"ustar" + bytes(300), "is a tar archive, not a zip"),
        (b"PK\x05\x06" + bytes(18), "holds no files"),
        (zip_of({"folder/": b""}), "holds no files"),
    ],
)
def test_not_a_package_zip(data: bytes, words: str) -> None:
    assert words in the_only(complaints_of_zip(data)).message


def test_error_names_the_file_and_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(PackageError, match=f"{path}: the zip: is not a zip"):
        read(path)


def test_no_room_to_keep_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            del data
            raise OSError(28, "No space left on device")

    kept = Full()
    monkeypatch.setattr("shipmark.package.opening.tempfile.TemporaryFile", lambda: kept)
    found = the_only(complaints_of_zip(zip_of(LEAST)))
    assert "no space left on device" in found.message
    assert "TMPDIR" in found.mend
    assert kept.closed


def test_endless_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipmark.package.opening.MAX_TOTAL_BYTES", 10)
    assert "is larger than 10 bytes" in the_only(complaints_of_zip(zip_of(LEAST))).message


def test_refused_zip_is_closed() -> None:
    stream = io.BytesIO(zip_of({"model.py": "def predict(): ..."}))
    with pytest.raises(PackageError):
        read(None, stdin=stream, name="demo")
    assert not stream.closed, "standard input is the caller's"
    with pytest.raises(PackageError, match="is not given"):
        read(None)
