"""Unpacking keeps what a layer says and nothing gets out of the directory, whatever it says."""

import io
import os
import stat
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipmark.errors import DeployError
from shipmark.targets.process.tarstream import TarStream
from shipmark.targets.process.untar import Unpacker

Entry = tuple[str, bytes, str | bytes]


def _tar(*entries: Entry, mode: int = 0o644) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, content in entries:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.mtime = kind, mode, 1_700_000_000
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.linkname = content
                archive.addfile(member)
    return packed.getvalue()


def _unpack(root: Path, data: bytes) -> bytes:
    """Unpack into `root`; gives the bytes that were observed."""
    seen = bytearray()
    stream = TarStream(io.BytesIO(data), seen.extend)
    Unpacker(root, lambda _size: None).unpack(stream)
    stream.drain()
    return bytes(seen)


def _file(name: str, data: bytes = b"x") -> Entry:
    return (name, tarfile.REGTYPE, data)


def _directory(name: str) -> Entry:
    return (name, tarfile.DIRTYPE, "")


def _link(name: str, target: str) -> Entry:
    return (name, tarfile.SYMTYPE, target)


def _hard_link(name: str, target: str) -> Entry:
    return (name, tarfile.LNKTYPE, target)


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."} and not name.startswith(".wh."))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    files=st.dictionaries(names, st.binary(max_size=3000), max_size=6),
    folder=names,
)
def test_files_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], folder: str
) -> None:
    files = {name: data for name, data in files.items() if len(os.fsencode(name)) < 200}
    root = tmp_path_factory.mktemp("layer")
    data = _tar(
        _directory(folder[:40]), *(_file(f"{folder[:40]}/{n}", d) for n, d in files.items())
    )
    assert _unpack(root, data) == data
    unpacked = {path.name: path.read_bytes() for path in (root / folder[:40]).iterdir()}
    assert unpacked == files


def test_modes_times_and_links_are_kept(tmp_path: Path) -> None:
    _unpack(
        tmp_path,
        _tar(_directory("d"), _file("d/f", b"data"), _link("l", "/etc/x"), _hard_link("h", "d/f"),
             mode=0o555),
    )  # fmt: skip
    assert stat.S_IMODE((tmp_path / "d/f").stat().st_mode) == 0o555
    assert (tmp_path / "d/f").stat().st_mtime == 1_700_000_000
    assert (tmp_path / "d").stat().st_mtime == 1_700_000_000
    assert (tmp_path / "l").readlink() == Path("/etc/x")
    assert (tmp_path / "h").samefile(tmp_path / "d/f")
    # Its owner can always remove it.
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o755


def test_set_user_id_is_dropped(tmp_path: Path) -> None:
    _unpack(tmp_path, _tar(_file("su"), mode=0o6755))
    assert stat.S_IMODE((tmp_path / "su").stat().st_mode) == 0o755


def test_the_last_of_two_files_counts(tmp_path: Path) -> None:
    _unpack(tmp_path, _tar(_file("f", b"1"), _link("l", "f"), _file("f", b"2"), _file("l", b"3")))
    assert (tmp_path / "f").read_bytes() == b"2"
    assert (tmp_path / "l").read_bytes() == b"3"


def test_whiteouts_become_those_of_overlay(tmp_path: Path) -> None:
    _unpack(tmp_path, _tar(_file("d/.wh.gone", b""), _file("o/.wh..wh..opq", b"")))
    gone = (tmp_path / "d/gone").lstat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    assert os.getxattr(tmp_path / "o", "user.overlay.opaque") == b"y"


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([_file("../out")], "outside"),
        ([_file("a/../../out")], "outside"),
        ([_file("/etc/out")], "outside"),
        ([_directory("..")], "outside"),
        ([_link("d", ".."), _file("d/out")], "not a directory"),
        ([_link("d", "/tmp"), _directory("d")], "both"),
        ([_link("d", "/tmp"), _file("d/sub/out")], "not a directory"),
        ([_file("d"), _file("d/out")], "not a directory"),
        ([_directory("d"), _file("d")], "both"),
        ([_directory("d"), _link("d", "/tmp"), _file("d/out")], "both"),
        ([_hard_link("h", "/etc/hostname")], "outside"),
        ([_hard_link("h", "../out")], "outside"),
        ([_hard_link("h", "nothing")], "no file before"),
        ([_link("l", "/etc/hostname"), _hard_link("h", "l")], "no file before"),
        ([_link("d", "/etc"), _hard_link("h", "d/hostname")], "no file before"),
        ([("dev", tarfile.CHRTYPE, "")], "device"),
        ([("dev", tarfile.BLKTYPE, "")], "device"),
        ([("pipe", tarfile.FIFOTYPE, "")], "device"),
        ([_file(".wh...", b"")], "whiteout"),
        ([_file(".wh.", b"")], "whiteout"),
        ([_link("d", ".."), _file("d/.wh.out", b"")], "not a directory"),
    ],
)
def test_hostile_members_are_refused_and_nothing_gets_out(
    tmp_path: Path, entries: list[Entry], complaint: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "out").write_text("untouched")
    with pytest.raises(DeployError, match=complaint):
        _unpack(root, _tar(*entries))
    assert (tmp_path / "out").read_text() == "untouched"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "root"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    entries=st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b", "..", ".", "", ".wh.a"]), min_size=1, max_size=4),
            st.sampled_from([
                tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
            ]),
            st.lists(st.sampled_from(["a", "b", "..", ""]), min_size=1, max_size=4),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_nothing_gets_out_in_any_combination(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[list[str], bytes, list[str]]],
) -> None:
    outer = tmp_path_factory.mktemp("outer")
    root = outer / "x" / "y" / "root"
    root.mkdir(parents=True)
    data = _tar(*(
        ("/".join(name) or ".", kind, b"x" if kind == tarfile.REGTYPE else "/".join(target) or "a")
        for name, kind, target in entries
    ))  # fmt: skip
    with suppress(DeployError):
        _unpack(root, data)
    assert [path.name for path in outer.iterdir()] == ["x"]
    assert [path.name for path in (outer / "x").iterdir()] == ["y"]
    assert [path.name for path in (outer / "x" / "y").iterdir()] == ["root"]


@pytest.mark.parametrize("cut", [100, 512, 700, 1500])
def test_a_cut_archive_is_an_error_or_shorter_but_never_wrong(tmp_path: Path, cut: int) -> None:
    data = _tar(_file("one", b"1" * 600), _file("two", b"2" * 600))[:cut]
    with pytest.raises(DeployError, match=r"tar archive|ends in the middle"):
        _unpack(tmp_path, data)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="not a tar archive"):
        _unpack(tmp_path, b"hello, world" * 200)


def test_the_budget_is_asked_before_anything_is_written(tmp_path: Path) -> None:
    asked: list[int] = []

    def spend(size_bytes: int) -> None:
        asked.append(size_bytes)
        if sum(asked) > 10:
            raise DeployError("the disk is full")

    stream = TarStream(io.BytesIO(_tar(_file("a", b"1" * 8), _file("b", b"2" * 8))), len)
    with pytest.raises(DeployError, match="full"):
        Unpacker(tmp_path, spend).unpack(stream)
    assert asked == [8, 8]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
