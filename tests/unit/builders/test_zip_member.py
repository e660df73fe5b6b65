"""Members of a zip come out as zipfile reads them, and damaged ones are refused as it would."""

import io
import random
import struct
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from zipfile import BadZipFile, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipmark.builders.zip_member import open_member
from shipmark.oci.layer import Reader

KINDS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
TEXT = b"".join(b"%d and so on, " % number for number in range(5000))


def zipped(content: bytes, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", kind) as archive:
        archive.writestr("one.py", content)
    return out.getvalue()


def _first(archive: ZipFile) -> Reader:
    return open_member(archive, archive.infolist()[0])


@contextmanager
def opened(data: bytes) -> Iterator[Reader]:
    with ZipFile(io.BytesIO(data)) as archive, closing(_first(archive)) as member:
        yield member


def read(data: bytes, size: int = 1 << 20) -> bytes:
    with opened(data) as member:
        pieces = list(iter(lambda: member.read(size), b""))
    assert all(len(piece) <= size for piece in pieces)
    return b"".join(pieces)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=3000),
        st.integers(0, 400_000).map(bytes),
        st.integers(0, 400_000).map(lambda size: random.Random(size).randbytes(size)),
        st.integers(0, len(TEXT)).map(lambda size: TEXT[:size]),
    ),
    st.sampled_from(KINDS),
    st.sampled_from([997, 4096, 1 << 20]),
)
def test_it_reads_what_was_packed_in_pieces_of_any_size(
    content: bytes, kind: int, size: int
) -> None:
    assert read(zipped(content, kind), size) == content


def patched(offset: int, kind: str, value: int) -> bytes:
    """The zip of TEXT with a field of its central directory changed."""
    data = bytearray(zipped(TEXT))
    struct.pack_into(f"<{kind}", data, data.index(b"PK\x01\x02") + offset, value)
    return bytes(data)


CRC, PACKED, SIZE = 16, 20, 24


def test_another_checksum_is_refused() -> None:
    with pytest.raises(BadZipFile, match="CRC-32"):
        read(patched(CRC, "I", 7))


@pytest.mark.parametrize("size", [0, len(TEXT) - 1, len(TEXT) + 1, 0x7FFFFFFF])
def test_another_size_is_refused(size: int) -> None:
    with pytest.raises(BadZipFile, match="not the size"):
        read(patched(SIZE, "I", size))


def test_a_member_cut_off_is_refused() -> None:
    with pytest.raises(BadZipFile, match="not the size"):
        read(patched(PACKED, "I", 100))


def test_what_is_no_deflate_is_refused() -> None:
    data = bytearray(zipped(TEXT))
    data[36:60] = b"\xff" * 24
    with pytest.raises(BadZipFile, match="cannot be inflated"):
        read(bytes(data))


def test_a_bomb_that_claims_to_be_small_is_given_up_at_the_first_piece() -> None:
    data = bytearray(zipped(bytes(50_000_000)))
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + SIZE, 10)
    with opened(bytes(data)) as member, pytest.raises(BadZipFile):
        member.read(1 << 16)
