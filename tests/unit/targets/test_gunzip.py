"""Reading gzip of several members gives the bytes back, or says that it is damaged."""

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.targets.process.gunzip import Damaged, Gunzip


def _read_all(data: bytes, size: int) -> bytes:
    stream = Gunzip(io.BytesIO(data))
    pieces = []
    while piece := stream.read(size):
        assert len(piece) <= size
        pieces.append(piece)
    return b"".join(pieces)


@given(members=st.lists(st.binary(max_size=5000), max_size=5), size=st.integers(1, 7000))
def test_members_are_read_one_after_the_other(members: list[bytes], size: int) -> None:
    assert _read_all(b"".join(map(gzip.compress, members)), size) == b"".join(members)


@given(data=st.binary(min_size=1, max_size=500), cut=st.integers(1, 400))
def test_a_cut_stream_is_damaged(data: bytes, cut: int) -> None:
    whole = gzip.compress(data)
    with pytest.raises(Damaged):
        _read_all(whole[: max(1, len(whole) - cut)], 100)


def test_what_is_not_gzip_is_damaged() -> None:
    with pytest.raises(Damaged):
        _read_all(b"plainly not gzip", 100)
    with pytest.raises(Damaged):
        _read_all(gzip.compress(b"x") + b"trailing rubbish", 100)
