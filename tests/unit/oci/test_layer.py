"""Layers are the same bytes in any order of entries, and the tools of the field read them."""

import io
import subprocess
import tarfile
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.errors import BuildError
from shipmark.oci.layer import Directory, Entry, File, Symlink, arranged, write_tar

EPOCH = 1_700_000_000

_segment = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60
).filter(lambda text: text not in {".", ".."})
_path = st.lists(_segment, min_size=1, max_size=4).map("/".join)


def tar(*entries: Entry, epoch: int = EPOCH) -> bytes:
    out = io.BytesIO()
    write_tar(arranged(entries), out, epoch=epoch)
    return out.getvalue()


@st.composite
def _trees(draw: st.DrawFn) -> list[Entry]:
    """Entries that can lie in one layer."""
    entries: list[Entry] = []
    for path in draw(st.lists(_path, unique=True, max_size=12)):
        others = [entry.path for entry in entries]
        if any(path.startswith(f"{o}/") or o.startswith(f"{path}/") for o in others):
            continue
        kind = draw(st.integers(0, 2))
        if kind == 0:
            data, executable = draw(st.binary(max_size=1500)), draw(st.booleans())
            entries.append(File.of_bytes(path, data, executable=executable))
        elif kind == 1:
            entries.append(Directory(path, shared=draw(st.booleans())))
        else:
            entries.append(Symlink(path, draw(_path)))
    return entries


@given(_trees(), st.randoms())
def test_python_reads_back_what_was_written_in_any_order(
    entries: list[Entry], random: Random
) -> None:
    data = tar(*entries)
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert tar(*shuffled) == data
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        members = {member.name: member for member in archive}
        for entry in entries:
            member = members[entry.path]
            assert (member.uid, member.gid, member.mtime) == (0, 0, EPOCH)
            if isinstance(entry, File):
                content = archive.extractfile(member)
                assert content is not None
                assert content.read() == entry.read()
                assert member.mode == (0o755 if entry.executable else 0o644)
            elif isinstance(entry, Directory):
                assert member.isdir()
                assert member.mode == (0o1777 if entry.shared else 0o755)
            else:
                assert member.linkname == entry.target


def test_parents_stand_before_what_they_hold() -> None:
    names = [entry.path for entry in arranged([File.of_bytes("a/b/c", b""), Directory("a-b")])]
    assert names == ["a", "a-b", "a/b", "a/b/c"]


def test_gnu_tar_reads_long_and_foreign_names() -> None:
    long, foreign = "d/" + "x" * 150, "gruß/日本"
    data = tar(
        File.of_bytes(long, b"1"), File.of_bytes(foreign, b"22"), Symlink("l", "t" * 140 + "é")
    )
    listed = subprocess.run(
        ["tar", "--list", "--verbose", "--quoting-style=literal"],
        input=data,
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    text = listed.stdout.decode()
    assert listed.stderr == b""
    assert long in text
    assert foreign in text
    assert "t" * 140 + "é" in text


def test_a_plain_name_costs_no_pax_header() -> None:
    assert len(tar(File.of_bytes("x" * 100, b""))) == 512 + 1024
    assert len(tar(File.of_bytes("x" * 101, b""))) == 3 * 512 + 1024


class _Enough(Exception):
    pass


def test_a_size_of_8_gib_goes_into_a_pax_header() -> None:
    """Only the headers are looked at: the content would be 8 GiB."""
    out = io.BytesIO()

    def stop() -> io.BytesIO:
        raise _Enough

    with pytest.raises(_Enough):
        write_tar([File("big", 8**11, stop)], out, epoch=EPOCH)
    assert b" size=8589934592\n" in out.getvalue()
    header = tarfile.TarInfo.frombuf(out.getvalue()[1024:], "utf-8", "strict")
    assert (header.name, header.size) == ("big", 0)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../b", "a//b", "", ".", "a/", "a\0b"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(BuildError, match="plain relative path"):
        arranged([File.of_bytes(path, b"")])


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(BuildError, match="UTF-8"):
        arranged([File.of_bytes("a\udcff", b"")])


def test_nothing_can_be_written_through_a_link_or_below_a_file() -> None:
    with pytest.raises(BuildError, match="no directory"):
        arranged([Symlink("lib", "/etc"), File.of_bytes("lib/passwd", b"")])
    with pytest.raises(BuildError, match="no directory"):
        arranged([File.of_bytes("a", b""), File.of_bytes("a/b", b"")])


def test_one_path_twice_is_refused_but_directories_join() -> None:
    with pytest.raises(BuildError, match="twice"):
        arranged([File.of_bytes("a", b""), File.of_bytes("a", b"")])
    with pytest.raises(BuildError, match="twice"):
        arranged([Symlink("a", "b"), Directory("a")])
    assert arranged([Directory("a"), Directory("a", shared=True), Directory("a")]) == [
        Directory("a", shared=True)
    ]


@pytest.mark.parametrize(("size", "word"), [(3, "grew"), (5, "shrank")])
def test_a_file_that_is_not_as_long_as_said_is_refused(size: int, word: str) -> None:
    with pytest.raises(BuildError, match=word):
        tar(File("a", size, lambda: io.BytesIO(b"1234")))


def test_the_epoch_is_the_time_of_every_entry() -> None:
    assert tar(Directory("a")) != tar(Directory("a"), epoch=EPOCH + 1)
