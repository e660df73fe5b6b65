"""Where a response ends is found however it is cut, and what is no HTTP is said to be none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.measure.reply import Malformed, Reply, reply

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5;ext=1\r\nhello\r\nA\r\n0123\r\n\r\n67\r\n0\r\n\r\n"
)
TRAILERS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Busy\r\nContent-Length: 0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n"
LEAVING = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"

WHOLE = {
    SIZED: Reply(200, len(SIZED), closes=False),
    CHUNKED: Reply(200, len(CHUNKED), closes=False),
    TRAILERS: Reply(200, len(TRAILERS), closes=False),
    CONTINUED: Reply(429, len(CONTINUED), closes=False),
    EMPTY: Reply(204, len(EMPTY), closes=False),
    LEAVING: Reply(503, len(LEAVING), closes=True),
    OLD: Reply(200, len(OLD), closes=True),
}


@pytest.mark.parametrize("data", WHOLE)
def test_a_response_is_whole_at_its_last_byte_and_not_before(data: bytes) -> None:
    assert [reply(data[:end]) for end in range(len(data))] == [None] * len(data)
    assert reply(data) == WHOLE[data]
    assert reply(data + b"more") == WHOLE[data]


def test_without_a_length_the_end_is_where_the_server_hangs_up() -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\nsome"

    assert reply(data) is None
    assert reply(data, at_end=True) == Reply(200, len(data), closes=True)
    assert reply(SIZED[:-1], at_end=True) is None


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
    ],
)
def test_what_is_no_response_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        reply(data)


@given(st.binary(max_size=300), st.booleans())
def test_anything_is_a_reply_or_none_or_malformed(data: bytes, at_end: bool) -> None:
    try:
        came = reply(b"HTTP/1.1 200" + data, at_end=at_end)
    except Malformed:
        return
    assert came is None or came.size_bytes <= len(data) + 12
