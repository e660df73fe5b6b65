"""The address of a served model."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from shipmark.errors import ShipmarkError

PREDICT = "/predict"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where requests go."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query of `/predict`."""
    netloc: str
    """Host and port as the user wrote them, for the Host header."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL: that of the server, or that of its `/predict`.

        Raises:
            ShipmarkError: It is no URL that a request can be sent to.
        """
        hint = "an address is like http://127.0.0.1:8080"
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise ShipmarkError(f"{url!r} is not a URL: it has characters no URL has", hint=hint)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ShipmarkError(f"{url!r} is not a URL: {error}", hint=hint) from error
        if parts.scheme not in _PORTS or not host:
            raise ShipmarkError(f"{url!r} is not a URL of http or https", hint=hint)
        if "@" in parts.netloc:
            raise ShipmarkError(
                "the URL holds a user name or password, and what runs on a host can be read there",
                hint="leave it out",
            )
        path = parts.path.rstrip("/")
        path = path if path.endswith(PREDICT) else path + PREDICT
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or _PORTS[parts.scheme],
            target=f"{path}?{parts.query}" if parts.query else path,
            netloc=parts.netloc,
        )

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"
