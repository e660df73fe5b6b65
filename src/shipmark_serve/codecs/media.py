"""Media types of requests, and which of two forms an answer should take."""

from typing import NamedTuple

from shipmark_serve.contract.errors import UnsupportedMediaType

TEXT = "text/plain"
JSON = "application/json"
OCTETS = "application/octet-stream"


class MediaType(NamedTuple):
    """A media type, in lower case."""

    essence: str
    """`text/plain`, without parameters."""
    charset: str = "utf-8"

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON, under its own name or as another type's syntax."""
        return self.essence == JSON or self.essence.endswith("+json")


def parse(header: str) -> MediaType | None:
    """Read a Content-Type header; None where it is empty."""
    essence, _, parameters = header.partition(";")
    essence = essence.strip().lower()
    if not essence:
        return None
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "charset":
            return MediaType(essence, value.strip().strip('"').lower())
    return MediaType(essence)


def require_json(media: MediaType | None) -> None:
    """Refuse a body that says that it is something else than JSON.

    Raises:
        UnsupportedMediaType: It does, or its charset is not UTF-8.
    """
    if media is not None and not media.is_json:
        raise unsupported(media, JSON)
    require_utf8(media)


def require_utf8(media: MediaType | None) -> None:
    """Refuse a charset other than UTF-8 and its subset ASCII.

    Raises:
        UnsupportedMediaType: The charset is another.
    """
    if media is not None and media.charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise UnsupportedMediaType(
            f"the body's charset is {media.charset}, and this server reads UTF-8"
        )


def unsupported(media: MediaType, *accepted: str) -> UnsupportedMediaType:
    """The error for a media type that the model has no form for."""
    return UnsupportedMediaType(
        f"the body's Content-Type is {media.essence}, and this model takes {' or '.join(accepted)}",
        hint=f"send Content-Type: {accepted[0]}",
    )


def prefers_json(accept: str, *, otherwise: bool) -> bool:
    """Whether an Accept header prefers JSON over plain text.

    Args:
        accept: The header, or "".
        otherwise: The answer where it prefers neither.
    """
    if not accept or accept == "*/*":
        return otherwise
    json = _quality(accept, JSON)
    text = _quality(accept, TEXT)
    return otherwise if json == text else json > text


def _quality(accept: str, essence: str) -> float:
    """Source: RFC 9110, 12.5.1: the most specific range that fits gives the weight."""
    ranges = (essence, f"{essence.partition('/')[0]}/*", "*/*")
    best, quality = len(ranges), 0.0
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        if name in ranges and ranges.index(name) < best:
            best, quality = ranges.index(name), _weight(parameters)
    return quality


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
