"""gzip comes out the same with any number of threads and any pieces, and gunzip reads it."""

import gzip
import hashlib
import io
import random
import subprocess
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shipmark.digest import of_bytes
from shipmark.oci.gzip import Compressor, compress_block


def compressed(
    data: bytes, *, cuts: tuple[int, ...] = (), threads: int = 2, block_bytes: int = 1000
) -> bytes:
    out = io.BytesIO()
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    with (
        Compressor(level=3, block_bytes=block_bytes, threads=threads) as compressor,
        compressor.writer(out) as writer,
    ):
        for start, end in pairwise(places):
            writer.write(data[start:end])
    return out.getvalue()


@settings(max_examples=50, deadline=None)
@given(
    st.binary(max_size=6000),
    st.lists(st.integers(0, 6000), max_size=8),
    st.integers(1, 5),
    st.sampled_from([1, 7, 1000, 4096]),
)
def test_threads_and_pieces_make_no_difference(
    data: bytes, cuts: list[int], threads: int, block_bytes: int
) -> None:
    block_bytes = max(block_bytes, len(data) // 50, 1)
    one = compressed(data, threads=1, block_bytes=block_bytes)
    assert compressed(data, cuts=tuple(cuts), threads=threads, block_bytes=block_bytes) == one
    assert gzip.decompress(one) == data


def test_each_block_is_a_member_of_its_own() -> None:
    data = bytes(2500)
    members = [compress_block(data[start : start + 1000], 3) for start in (0, 1000, 2000)]
    assert compressed(data) == b"".join(members)


def test_no_data_is_one_empty_member() -> None:
    assert compressed(b"") == compress_block(b"", 3)
    assert gzip.decompress(compressed(b"")) == b""


def test_the_header_says_nothing_of_time_or_host() -> None:
    assert compress_block(b"x", 3)[:10] == bytes.fromhex("1f8b08000000000000ff")


def test_gunzip_takes_several_members() -> None:
    data = random.Random(1).randbytes(5000)
    unpacked = subprocess.run(
        ["gzip", "--decompress", "--stdout"],
        input=compressed(data),
        capture_output=True,
        check=True,
    )
    assert unpacked.stdout == data


def test_the_bytes_of_this_compressor_are_known() -> None:
    """If this fails, another zlib-ng is at work, and every manifest digest changes."""
    words = [hashlib.sha256(bytes([number])).digest() for number in range(251)]
    data = b"".join(words[number * number % 251][: number % 29 + 3] for number in range(60_000))
    assert (
        of_bytes(compressed(data, block_bytes=1 << 18))
        == "sha256:ef17ab671a391be3add9b8be3ac506b8713487e80271ffe98f5e248d1c883e61"
    )


def test_writers_that_share_room_do_not_wait_for_each_other() -> None:
    """Far more streams than room, all fed in turn from one thread."""
    outs = [io.BytesIO() for _ in range(20)]
    data = random.Random(2).randbytes(300)
    with Compressor(level=3, block_bytes=100, threads=1) as compressor:
        contexts = [compressor.writer(out) for out in outs]
        writers = [context.__enter__() for context in contexts]
        for start in range(0, 300, 50):
            for writer in writers:
                writer.write(data[start : start + 50])
        for context in contexts:
            context.__exit__(None, None, None)
    assert {gzip.decompress(out.getvalue()) for out in outs} == {data}


class _Refusal(Exception):
    pass


class _Full:
    def write(self, data: bytes, /) -> int:
        raise _Refusal(len(data))


def test_a_stream_that_fails_gives_its_room_back() -> None:
    out = io.BytesIO()
    with Compressor(level=3, block_bytes=10, threads=1) as compressor:
        for _ in range(10):
            try:
                with compressor.writer(_Full()) as writer:
                    writer.write(bytes(100))
            except _Refusal:
                continue
        with compressor.writer(out) as writer:
            writer.write(bytes(100))
    assert gzip.decompress(out.getvalue()) == bytes(100)
