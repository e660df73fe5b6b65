"""Wheels become entries without being installed; hostile and colliding ones are refused by name."""

import zipfile
from pathlib import Path

import pytest

from shipmark.builders.spool import Workspace
from shipmark.builders.wheel import check_collisions, wheel_parts
from shipmark.errors import BuildError, DigestMismatch
from shipmark.lock.lock import Wheel
from shipmark.oci.layer import File
from tests.unit.builders.materials import Yard, make_zip, sha256

SITE = "usr/local/lib/python3.11/dist-packages"


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "store")


def unpacked(yard: Yard, *wheels: Wheel) -> dict[str, tuple[bytes, bool]]:
    with yard.store.scratch() as scratch, Workspace(scratch) as workspace:
        parts = wheel_parts(wheels, python="3.11", store=yard.store, workspace=workspace)
        files = [entry for part in parts for entry in part.entries if isinstance(entry, File)]
        assert len({file.path for file in files}) == len(files)
        return {file.path: (file.read(), file.executable) for file in files}


def test_each_scheme_has_its_place(yard: Yard) -> None:
    data = make_zip(
        {
            "x/__init__.py": b"1",
            "x/lib.so": b"elf",
            "x/": b"",
            "x-1.dist-info/RECORD": b"record",
            "x-1.dist-info/INSTALLER": b"pip",
            "x-1.dist-info/licenses/INSTALLER": b"kept",
            "x/__pycache__/old.cpython-311.pyc": b"stale",
            "x-1.data/purelib/pure.py": b"2",
            "x-1.data/platlib/plat.py": b"3",
            "x-1.data/scripts/run": b"#!python -I\nprint()\n",
            "x-1.data/scripts/native": b"\x7fELF",
            "x-1.data/data/share/x.txt": b"4",
            "x-1.data/headers/x.h": b"5",
        },
        executable=["x/lib.so"],
    )
    assert unpacked(yard, yard.wheel("x", data)) == {
        f"{SITE}/x/__init__.py": (b"1", False),
        f"{SITE}/x/lib.so": (b"elf", True),
        f"{SITE}/x-1.dist-info/RECORD": (b"record", False),
        f"{SITE}/x-1.dist-info/licenses/INSTALLER": (b"kept", False),
        f"{SITE}/pure.py": (b"2", False),
        f"{SITE}/plat.py": (b"3", False),
        "usr/local/bin/run": (b"#!/usr/bin/python3.11\nprint()\n", True),
        "usr/local/bin/native": (b"\x7fELF", True),
        "usr/local/share/x.txt": (b"4", False),
        "usr/local/include/python3.11/x/x.h": (b"5", False),
    }


@pytest.mark.parametrize(
    "path", ["../x.py", "a/../../x.py", "/etc/passwd", "x-1.data/data/../../../etc/x", "a//b.py"]
)
def test_a_path_that_leads_out_is_refused(yard: Yard, path: str) -> None:
    with pytest.raises(BuildError, match="leads out of it") as caught:
        unpacked(yard, yard.wheel("x", make_zip({path: b"1"})))
    assert "x-1-py3-none-any.whl" in caught.value.message


def test_an_unknown_scheme_is_refused(yard: Yard) -> None:
    with pytest.raises(BuildError, match="installation scheme"):
        unpacked(yard, yard.wheel("x", make_zip({"x-1.data/etc/passwd": b"1"})))


def test_what_is_no_zip_is_refused(yard: Yard) -> None:
    with pytest.raises(BuildError, match="tried to read the wheel"):
        unpacked(yard, yard.wheel("x", b"no zip"))


def test_a_damaged_member_is_refused(yard: Yard) -> None:
    data = make_zip({"x.py": b"right content"}).replace(b"right content", b"wrong content")
    with pytest.raises(BuildError, match="CRC"):
        unpacked(yard, yard.wheel("x", data))


def test_an_encrypted_member_is_refused(yard: Yard, tmp_path: Path) -> None:
    data = bytearray(make_zip({"x.py": b"1"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BuildError, match="encrypted"):
        unpacked(yard, yard.wheel("x", bytes(data)))


def test_a_wheel_that_is_not_the_locked_one_is_refused(yard: Yard) -> None:
    wheel = yard.wheel("x", make_zip({"x.py": b"1"}))
    path = yard.store.path(yard.store.put(make_zip({"x.py": b"1"})))
    path.chmod(0o644)
    path.write_bytes(make_zip({"x.py": b"2"}))
    with pytest.raises(DigestMismatch) as caught:
        unpacked(yard, wheel)
    assert caught.value.expected == f"sha256:{wheel.sha256}"
    assert caught.value.actual == f"sha256:{sha256(make_zip({'x.py': b'2'}))}"


def test_two_wheels_that_differ_about_a_path_are_named(yard: Yard) -> None:
    one = yard.wheel("one", make_zip({"same.py": b"1", "x.py": b"1"}))
    two = yard.wheel("two", make_zip({"same.py": b"1", "x.py": b"2"}))
    with pytest.raises(BuildError, match=r"put two into the image: .*x\.py is in one as well"):
        check_collisions([one, two], python="3.11", store=yard.store)


def test_a_file_of_one_wheel_is_no_folder_of_another(yard: Yard) -> None:
    one = yard.wheel("one", make_zip({"x": b"1"}))
    two = yard.wheel("two", make_zip({"x/y.py": b"1"}))
    with pytest.raises(BuildError, match="put two into the image"):
        check_collisions([one, two], python="3.11", store=yard.store)


def test_the_same_bytes_twice_are_the_first_ones(yard: Yard) -> None:
    one = yard.wheel("one", make_zip({"ns/__init__.py": b"", "a.py": b"1"}))
    two = yard.wheel("two", make_zip({"ns/__init__.py": b"", "b.py": b"2"}))
    check_collisions([one, two], python="3.11", store=yard.store)
    assert len(unpacked(yard, one, two)) == 3


def test_a_member_twice_is_refused_only_if_it_differs(yard: Yard) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        same = make_zip_pairs([("a.py", b"1"), ("a.py", b"1")])
    with pytest.warns(UserWarning, match="Duplicate"):
        other = make_zip_pairs([("a.py", b"1"), ("a.py", b"2")])
    assert unpacked(yard, yard.wheel("x", same)) == {f"{SITE}/a.py": (b"1", False)}
    with pytest.raises(BuildError, match="twice"):
        unpacked(yard, yard.wheel("x", other))


def make_zip_pairs(files: list[tuple[str, bytes]]) -> bytes:
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in files:
            archive.writestr(path, content)
    return out.getvalue()
