"""The base layer is what Debian's packages and their scripts would have made of an empty disk."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from shipmark.builders.base import base_parts
from shipmark.builders.deb_pool import DebPool
from shipmark.builders.part import Part
from shipmark.builders.spool import Workspace
from shipmark.errors import BuildError, DigestMismatch
from shipmark.lock.lock import Deb
from shipmark.oci.layer import Directory, Entry, File, Symlink, arranged
from tests.unit.builders.materials import Link, Yard, make_deb


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "store")


def base(yard: Yard, packages: Sequence[Deb]) -> tuple[list[Part], dict[str, Entry]]:
    """The parts, and the files by path with their content at hand."""
    with (
        yard.store.scratch() as scratch,
        Workspace(scratch) as workspace,
        DebPool(yard.store, workspace, 2) as pool,
    ):
        parts = base_parts(
            packages, architecture="amd64", suite="bookworm", python="3.11", pool=pool
        )
        entries = arranged(entry for part in parts for entry in part.entries)
        return parts, {
            entry.path: File.of_bytes(entry.path, entry.read())
            if isinstance(entry, File)
            else entry
            for entry in entries
        }


def text(entries: dict[str, Entry], path: str) -> str:
    entry = entries[path]
    assert isinstance(entry, File)
    return entry.read().decode()


def test_a_merged_root(yard: Yard) -> None:
    _, entries = base(yard, yard.debs())
    assert "usr/lib/libx.so.1" in entries
    assert [entries[name] for name in ("bin", "lib", "sbin", "lib64")] == [
        Symlink(name, f"usr/{name}") for name in ("bin", "lib", "sbin", "lib64")
    ]
    assert "lib32" not in entries


def test_what_scripts_would_have_made(yard: Yard) -> None:
    _, entries = base(yard, yard.debs())
    assert "nonroot:x:65532:65532:" in text(entries, "etc/passwd")
    assert "root:x:0:" in text(entries, "etc/group")
    assert "hosts: files dns" in text(entries, "etc/nsswitch.conf")
    assert "VERSION_CODENAME=bookworm" in text(entries, "etc/os-release")
    assert entries["usr/bin/python3"] == Symlink("usr/bin/python3", "python3.11")
    assert entries["var/run"] == Symlink("var/run", "/run")
    assert entries["tmp"] == Directory("tmp", shared=True)
    for empty in ("app", "dev", "etc/shipmark", "proc", "run", "sys"):
        assert entries[empty] == Directory(empty)


def test_scanners_see_each_package(yard: Yard) -> None:
    _, entries = base(yard, yard.debs())
    status = text(entries, "var/lib/dpkg/status.d/libx").splitlines()
    assert status[:2] == ["Package: libx", "Status: install ok installed"]
    assert text(entries, "var/lib/dpkg/status.d/libx.md5sums") == "0  usr/x\n"


def test_authorities_are_one_file_in_order(yard: Yard) -> None:
    authorities = {
        "./usr/share/ca-certificates/mozilla/B.crt": b"B\n",
        "./usr/share/ca-certificates/mozilla/A.crt": b"A",
    }
    _, entries = base(yard, [yard.deb("ca-certificates", make_deb(authorities))])
    assert text(entries, "etc/ssl/certs/ca-certificates.crt") == "A\nB\n"
    assert entries["usr/lib/ssl/cert.pem"] == Symlink(
        "usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"
    )


def test_what_a_package_brings_is_not_replaced(yard: Yard) -> None:
    own: dict[str, bytes | Link | None] = {
        "./etc/os-release": Link("../usr/lib/os-release"),
        "./etc/passwd": b"own\n",
        "./var/run/": None,
    }
    _, entries = base(yard, [yard.deb("base-files", make_deb(own))])
    assert entries["etc/os-release"] == Symlink("etc/os-release", "../usr/lib/os-release")
    assert text(entries, "etc/passwd") == "own\n"
    assert entries["var/run"] == Symlink("var/run", "/run")


def test_what_a_container_never_reads_is_left_out(yard: Yard) -> None:
    trimmed = [
        "usr/share/doc/x/README", "usr/share/doc/x/copyright/x", "usr/share/man/man1/x.1.gz",
        "usr/share/locale/de/LC_MESSAGES/x.mo", "usr/lib/x86_64-linux-gnu/gconv/ISO8859-1.so",
        "usr/share/lintian/overrides/x", "usr/share/bash-completion/completions/x",
        "lib/systemd/system/x.service", "usr/share/zoneinfo/right/UTC",
    ]  # fmt: skip
    kept = [
        "usr/share/doc/y/copyright", "usr/share/zoneinfo/UTC", "usr/share/manual",
        "etc/systemd.conf",
    ]  # fmt: skip
    files: dict[str, bytes | Link | None] = {f"./{path}": b"x" for path in trimmed + kept}
    files["./usr/share/doc/z"] = Link("y")
    _, entries = base(yard, [yard.deb("x", make_deb(files))])
    found = set(entries)
    assert found.issuperset(kept)
    assert "usr/share/doc/z" in found
    assert found.isdisjoint(trimmed)
    assert "usr/lib/systemd/system/x.service" not in found
    assert "usr/share/man" not in found


def test_alternatives_are_chosen(yard: Yard) -> None:
    libraries = {"./usr/lib/x86_64-linux-gnu/blas/libblas.so.3": b"elf", "./usr/bin/mawk": b"elf"}
    _, entries = base(yard, [yard.deb("blas", make_deb(libraries))])
    assert entries["usr/lib/x86_64-linux-gnu/libblas.so.3"] == Symlink(
        "usr/lib/x86_64-linux-gnu/libblas.so.3", "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3"
    )
    assert entries["usr/bin/awk"] == Symlink("usr/bin/awk", "/usr/bin/mawk")


def test_two_packages_with_one_path_are_named(yard: Yard) -> None:
    one = yard.deb("one", make_deb({"./lib/x": b"1"}))
    two = yard.deb("two", make_deb({"./usr/lib/x": b"1"}, name="two"))
    with pytest.raises(BuildError, match="unpack two 1: /usr/lib/x is in one 1 too"):
        base(yard, [one, two])


def test_a_damaged_blob_is_found(yard: Yard) -> None:
    [package, *_] = yard.debs()
    path = yard.store.path(yard.store.put(make_deb({}, name="y")))
    wanted = yard.store.root / "blobs" / "sha256" / package.sha256
    wanted.chmod(0o644)
    wanted.write_bytes(path.read_bytes())
    with pytest.raises(DigestMismatch, match=package.sha256):
        base(yard, [package])


def test_parts_say_where_the_size_comes_from(yard: Yard) -> None:
    parts, entries = base(yard, yard.debs())
    assert [part.name for part in parts] == ["libx 1", "python 1", "configuration"]
    assert sum(part.size for part in parts) == sum(
        entry.size for entry in entries.values() if isinstance(entry, File)
    )
