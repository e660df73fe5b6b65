"""A response, before the protocol writes it."""

from dataclasses import dataclass

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Status, body, and headers beyond those that every response has."""

    status: int = 200
    media_type: bytes
    body: bytes
    headers: tuple[Header, ...] = ()
