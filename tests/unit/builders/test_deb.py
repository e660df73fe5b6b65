"""Debian packages are read without dpkg; what no image may hold is refused by name."""

import io
from pathlib import Path

import pytest

from shipmark.builders import deb
from shipmark.builders.spool import Workspace
from shipmark.errors import BuildError
from shipmark.oci.layer import Directory, Entry, File, Symlink
from tests.unit.builders.materials import Link, make_ar, make_deb, make_tar

FILES = {
    "./": None,
    "./bin/": None,
    "./bin/tool": b"#!",
    "./bin/twin": Link("./bin/tool", hard=True),
    "./lib/libx.so": Link("libx.so.1"),
    "./lib/libx.so.1": b"elf",
    "./tmp/": None,
    "./usr/share/gruß": "ü".encode(),
}


def read(data: bytes, folder: Path) -> tuple[deb.Contents, dict[str, Entry], dict[str, bytes]]:
    with Workspace(folder) as workspace:
        contents = deb.read(io.BytesIO(data), "x 1", workspace.spool())
        entries = {entry.path: entry for entry in contents.entries}
        texts = {path: each.read() for path, each in entries.items() if isinstance(each, File)}
    return contents, entries, texts


@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
def test_reads_files_links_and_control(packed: str, tmp_path: Path) -> None:
    contents, entries, texts = read(make_deb(FILES, packed=packed), tmp_path)
    assert contents.control.startswith(b"Package: x\n")
    assert contents.md5sums == b"0  usr/x\n"
    assert texts == {
        "usr/bin/tool": b"#!",
        "usr/bin/twin": b"#!",
        "usr/lib/libx.so.1": b"elf",
        "usr/share/gruß": "ü".encode(),
    }
    assert entries["usr/lib/libx.so"] == Symlink("usr/lib/libx.so", "libx.so.1")
    assert entries["usr/bin"] == Directory("usr/bin")
    tool = entries["usr/bin/tool"]
    assert isinstance(tool, File)
    assert tool.executable


def test_the_links_of_a_merged_root_are_left_to_the_base(tmp_path: Path) -> None:
    _, entries, _ = read(
        make_deb({"./bin": Link("usr/bin"), "./lib64": Link("usr/lib64")}), tmp_path
    )
    assert entries == {}


@pytest.mark.parametrize("path", ["../etc/passwd", "./a/../../b", "/etc/passwd"])
def test_a_path_that_leads_out_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="leads out"):
        read(make_deb({path: b"x"}), tmp_path)


def test_a_hard_link_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="x 1"):
        read(make_deb({"./a": Link("./none", hard=True)}), tmp_path)


def test_a_device_is_refused(tmp_path: Path) -> None:
    data = bytearray(make_tar({"./dev/null": b""}))
    data[156:157] = b"3"
    header = bytes(data[:148]) + b" " * 8 + bytes(data[156:512])
    data[148:156] = b"%06o\0 " % sum(header)
    control = make_tar({"./control": b"Package: x\n"})
    with pytest.raises(BuildError, match="device"):
        read(make_ar({"control.tar": control, "data.tar": bytes(data)}), tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no ar at all",
        make_ar({"debian-binary": b"2.0\n"}),
        make_deb(FILES)[:-2000],
        make_deb(FILES, packed=".xz")[:-40],
        make_deb(FILES, packed=".gz")[:-40],
        make_deb(FILES).replace(b"`\n", b"xx", 1),
        make_ar({"control.tar.zst": b"", "data.tar.zst": b""}),
        make_ar({"control.tar": make_tar({"./postinst": b""}), "data.tar": make_tar({})}),
        make_ar({"control.tar.xz": b"no xz", "data.tar": make_tar({})}),
    ],
)
def test_a_damaged_package_is_named(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="Debian package x 1"):
        read(data, tmp_path)
