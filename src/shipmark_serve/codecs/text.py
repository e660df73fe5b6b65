"""A string in, a string out."""

import msgspec

from shipmark_serve.codecs import media
from shipmark_serve.codecs.codec import Decode, Encode
from shipmark_serve.codecs.media import MediaType
from shipmark_serve.contract.errors import InvalidInput, PredictFailed
from shipmark_serve.contract.validation import malformed
from shipmark_serve.response import Response

_TEXT = b"text/plain; charset=utf-8"
_JSON = b"application/json"
_syntax = msgspec.json.Decoder(msgspec.Raw)
_string = msgspec.json.Decoder(str)


def decode(body: bytes, media_type: MediaType | None) -> str:
    """Plain text is the text; a JSON string is decoded; other JSON is passed as it was sent."""
    media.require_utf8(media_type)
    if media_type is None or media_type.essence == media.TEXT:
        return _utf8(body)
    if not media_type.is_json:
        raise media.unsupported(media_type, media.TEXT, media.JSON)
    try:
        _syntax.decode(body)
        return _string.decode(body) if body.lstrip()[:1] == b'"' else _utf8(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from error


def encode(value: str, media_type: MediaType | None, accept: str) -> Response:
    """Plain text or a JSON string: what Accept asks for, else what the request was."""
    as_json = media_type is not None and media_type.is_json
    try:
        if media.prefers_json(accept, otherwise=as_json):
            return Response(_JSON, msgspec.json.encode(value))
        return Response(_TEXT, value.encode())
    except UnicodeEncodeError as error:
        raise PredictFailed(f"the answer is not Unicode text: {error}") from error


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is not UTF-8: byte {error.start}") from error


_decode: Decode = decode
_encode: Encode = encode
