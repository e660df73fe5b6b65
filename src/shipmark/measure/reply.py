"""Where an HTTP/1.1 response ends, and what its status is. Pure.

Source: RFC 9112.
"""

from typing import NamedTuple

MAX_HEAD_BYTES = 64 << 10
_BODILESS = (204, 304)


class Reply(NamedTuple):
    """One whole response."""

    status: int
    size_bytes: int
    """Of head and body; what comes after belongs to no request."""
    closes: bool
    """Whether the server hangs up after it."""


class Malformed(Exception):
    """What came is not HTTP/1.1."""


def reply(data: bytes | bytearray, *, at_end: bool = False) -> Reply | None:
    """The response at the beginning of `data`; None while it is not whole.

    Args:
        data: What has come since the request was sent.
        at_end: Whether the server has hung up: that ends a body of no stated length.

    Raises:
        Malformed: It is no response.
    """
    begin = 0
    while True:
        end = data.find(b"\r\n\r\n", begin)
        if end < 0:
            if len(data) - begin > MAX_HEAD_BYTES or not b"HTTP/1.".startswith(
                bytes(data[begin : begin + 7])
            ):
                raise Malformed
            return None
        head = bytes(data[begin:end]).lower()
        if head[:7] != b"http/1." or not head[9:12].isdigit():
            raise Malformed
        status = int(head[9:12])
        if status >= 200:
            break
        begin = end + 4  # 1xx says that the response is still to come
    body = end + 4
    closes = b"\r\nconnection: close" in head or (
        head[7:8] == b"0" and b"\r\nconnection: keep-alive" not in head
    )
    if status in _BODILESS:
        return Reply(status, body, closes)
    if (length := _header(head, b"\r\ncontent-length:")) is not None:
        if not length.isdigit():
            raise Malformed
        size = body + int(length)
        return Reply(status, size, closes) if len(data) >= size else None
    if (coding := _header(head, b"\r\ntransfer-encoding:")) is not None:
        if coding != b"chunked":
            raise Malformed
        chunks_end = _end_of_chunks(data, body)
        return None if chunks_end is None else Reply(status, chunks_end, closes)
    return Reply(status, len(data), closes=True) if at_end else None


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.find(name)
    if at < 0:
        return None
    begin = at + len(name)
    end = head.find(b"\r\n", begin)
    return head[begin : end if end >= 0 else len(head)].strip()


def _end_of_chunks(data: bytes | bytearray, begin: int) -> int | None:
    """Where a chunked body with its trailers ends; None while it has not."""
    while True:
        line = data.find(b"\r\n", begin)
        if line < 0:
            return None
        try:
            size = int(bytes(data[begin:line]).partition(b";")[0], 16)
        except ValueError as error:
            raise Malformed from error
        if size < 0:
            raise Malformed
        if size == 0:
            if data[line + 2 : line + 4] == b"\r\n":
                return line + 4
            trailers = data.find(b"\r\n\r\n", line)
            return None if trailers < 0 else trailers + 4
        begin = line + 2 + size + 2
