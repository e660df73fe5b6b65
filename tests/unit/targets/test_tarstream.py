"""The tar reader and Python's own agree on every archive, and a strange one is refused."""

import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.targets.process.tarstream import Kind, Member, NotATar, TarStream, Truncated

KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hard link",
    tarfile.FIFOTYPE: "other",
}


class Pieces:
    """A stream that gives `size` bytes at a time, as a decompressor does."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = io.BytesIO(data)
        self._size = size

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._size))


def _read(data: bytes, piece: int = 1 << 20) -> tuple[list[tuple[Member, bytes]], bytes]:
    seen = bytearray()
    stream = TarStream(Pieces(data, piece), seen.extend)
    members = [(member, b"".join(stream.content())) for member in stream]
    stream.drain()
    return members, bytes(seen)


def _only(data: bytes) -> Member:
    [(member, _)], _ = _read(data)
    return member


def _write(
    *infos: tarfile.TarInfo,
    format_: int = tarfile.PAX_FORMAT,
    pax_headers: dict[str, str] | None = None,
) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(
        fileobj=packed, mode="w", format=format_, pax_headers=pax_headers or {}
    ) as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    return packed.getvalue()


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=60
)
infos = st.builds(
    lambda path, kind, content, mode, ids, mtime, target: (
        "/".join(path), kind, content if kind == tarfile.REGTYPE else b"", mode, ids, mtime, target,
    ),
    st.lists(names, min_size=1, max_size=5),
    st.sampled_from(list(KINDS)),
    st.binary(max_size=2000),
    st.integers(0, 0o7777),
    st.tuples(st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 2)),
    st.integers(0, 2**36),
    names,
)  # fmt: skip


@given(
    entries=st.lists(infos, max_size=6),
    format_=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    piece=st.sampled_from([1, 7, 511, 512, 513, 4096, 1 << 20]),
)
def test_it_reads_what_pythons_own_wrote(
    entries: list[tuple[str, bytes, bytes, int, tuple[int, int], int, str]],
    format_: int,
    piece: int,
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format_) as archive:
        for name, kind, content, mode, (uid, gid), mtime, target in entries:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mode, info.mtime = kind, len(content), mode, mtime
            info.uid, info.gid = uid, gid
            if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                info.linkname = target
            archive.addfile(info, io.BytesIO(content))
    members, seen = _read(packed.getvalue(), piece)
    assert seen == packed.getvalue()
    assert [
        (member.name.removesuffix("/"), member.kind, content, member.mode, (member.uid, member.gid),
         member.mtime, member.target)
        for member, content in members
    ] == [
        (name, KINDS[kind], content, mode, ids, mtime,
         target if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else "")
        for name, kind, content, mode, ids, mtime, target in entries
    ]  # fmt: skip


def _info(name: str = "f", size: int = 0, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def test_a_prefix_of_ustar_stands_before_the_name() -> None:
    name = "/".join(["d" * 50] * 3) + "/f"
    assert _only(_write(_info(name), format_=tarfile.USTAR_FORMAT)).name == name


def test_a_header_for_all_gives_what_a_member_does_not_say() -> None:
    data = _write(_info("a"), _info("b"), pax_headers={"comment": "x", "mtime": "12.5"})
    assert [(member.name, member.mtime) for member, _ in _read(data)[0]] == [
        ("a", 12.5), ("b", 12.5),
    ]  # fmt: skip


def test_content_that_nobody_reads_is_skipped() -> None:
    data = _write(_info("a", 70_000), _info("b", 1))
    seen = bytearray()
    stream = TarStream(Pieces(data, 1000), seen.extend)
    assert [member.name for member in stream] == ["a", "b"]
    stream.drain()
    assert bytes(seen) == data


def test_an_empty_archive_has_no_members() -> None:
    assert _read(bytes(1024)) == ([], bytes(1024))


def _with_checksum(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _header(change: Callable[[bytearray], None]) -> bytes:
    header = bytearray(_write(_info())[:512])
    change(header)
    return _with_checksum(header) + bytes(1024)


def _set(at: int, data: bytes) -> Callable[[bytearray], None]:
    def change(header: bytearray) -> None:
        header[at : at + len(data)] = data

    return change


def _pax(records: bytes, size: int | None = None) -> bytes:
    info = _info("pax", len(records) if size is None else size, type=b"x")
    return info.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0") + _write(_info())


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"hello, world" * 200, "number|checksum"),
        (b"\1" + _write(_info())[1:], "checksum"),
        (_header(_set(124, b"0000000000x\0")), "no number"),
        (_header(_set(124, b"-0000000001\0")), "no number"),
        (_header(_set(124, b"00000000009\0")), "octal"),
        (_header(_set(108, b"\x80" + b"\xff" * 7)), "for the user"),
        (_header(_set(136, b"\x80" + b"\xff" * 11)), "with the time"),
        (_pax(b"15 mtime=nan000\n"[:16]), "pax header|with the time"),
        (_pax(b"13 mtime=inf\n"), "with the time"),
        (_pax(b"11 size=-1\n"), "'-1'"),
        (_pax(b"12 size=1_0\n"), "'1_0'"),
        (_pax(b"99 path=x\n"), "pax header"),
        (_pax(b"0 path=x\n"), "pax header"),
        (_pax(b"path=x\n"), "pax header"),
        (_pax(b"22 GNU.sparse.major=1\n"), "sparse"),
        (_pax(b"", 2 << 20), "extended header"),
    ],
)
def test_a_strange_archive_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(NotATar, match=complaint):
        _read(data)


@given(cut=st.integers(1, 3 * 1024))
def test_a_cut_archive_is_never_taken_for_a_whole_one(cut: int) -> None:
    """Unless the cut is where one member ends: the digest tells then."""
    data = _write(_info("one", 600), _info("two", 600))
    try:
        members, _ = _read(data[:cut])
    except Truncated:
        return
    assert [(member.name, len(content)) for member, content in members] in (
        [("one", 600)],
        [("one", 600), ("two", 600)],
    )
    assert cut == 1536 or cut >= 3072


@given(data=st.binary(max_size=2000))
def test_no_bytes_whatever_raise_anything_else(data: bytes) -> None:
    try:
        _read(data)
    except (NotATar, Truncated):
        return
