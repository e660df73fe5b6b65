"""A response as bytes."""

from http import HTTPStatus

from shipmark_serve.response import Header, Response

_STATUS_LINES = {
    int(status): b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}


class Wire:
    """Writes responses; what they have in common is written once a second."""

    def __init__(self) -> None:
        self._defaults: list[Header] | None = None
        self._heads: dict[tuple[int, bytes], bytes] = {}

    def render(
        self, response: Response, request_id: bytes, *, defaults: list[Header], last: bool
    ) -> bytes:
        """The whole of a response.

        Args:
            response: What to write.
            request_id: Of its request.
            defaults: Headers that every response has: a list that is replaced, not changed.
            last: Whether the connection is closed after it.
        """
        if defaults is not self._defaults:
            self._defaults = defaults
            self._heads.clear()
        head = self._heads.get((response.status, response.media_type))
        if head is None:
            head = self._head(response.status, response.media_type)
        more = b""
        if response.headers or last:
            more = b"".join(b"%b: %b\r\n" % header for header in response.headers)
            if last and b"connection: close" not in more:
                more += b"connection: close\r\n"
        body = response.body
        return b"%b%b\r\n%bcontent-length: %d\r\n\r\n%b" % (
            head,
            request_id,
            more,
            len(body),
            body,
        )

    def _head(self, status: int, media_type: bytes) -> bytes:
        """From the status line to the name of the request id's header."""
        lines = [_STATUS_LINES[status]]
        lines += [b"%b: %b\r\n" % header for header in self._defaults or ()]
        lines.append(b"content-type: %b\r\nx-request-id: " % media_type)
        head = self._heads[status, media_type] = b"".join(lines)
        return head
