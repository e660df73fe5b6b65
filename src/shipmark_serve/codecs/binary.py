"""Bytes in, bytes out, as they are."""

from shipmark_serve.codecs.codec import Decode, Encode
from shipmark_serve.codecs.media import MediaType
from shipmark_serve.response import Response

_OCTETS = b"application/octet-stream"


def decode(body: bytes, media_type: MediaType | None) -> bytes:
    """The body, whatever it says that it is: an image is sent as image/png."""
    del media_type
    return body


def encode(value: bytes, media_type: MediaType | None, accept: str) -> Response:
    """The bytes: there is no other form to choose."""
    del media_type, accept
    return Response(_OCTETS, value)


_decode: Decode = decode
_encode: Encode = encode
