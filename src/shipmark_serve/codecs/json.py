"""JSON values of a Python type: checked on the way in and on the way out."""

import math
from typing import Any

import msgspec

from shipmark_serve.codecs import media
from shipmark_serve.codecs.codec import Decode, Encode
from shipmark_serve.codecs.media import MediaType
from shipmark_serve.contract.errors import PredictFailed
from shipmark_serve.contract.validation import explain, malformed
from shipmark_serve.response import Response

_JSON = b"application/json"


def decoder(type_: Any) -> Decode:
    """Decode to `type_`."""
    prepared = msgspec.json.Decoder(type_)

    def decode(body: bytes, media_type: MediaType | None) -> Any:
        media.require_json(media_type)
        try:
            return prepared.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error) from error

    return decode


def encoder(type_: Any) -> Encode:
    """Encode what fits `type_`.

    The encoded answer is read again as `type_`: a dataclass is free to hold anything, and what
    counts is what the caller gets.
    """
    check = None if type_ is Any else msgspec.json.Decoder(type_)

    def encode(value: Any, media_type: MediaType | None, accept: str) -> Response:
        del media_type, accept
        try:
            body = msgspec.json.encode(value, enc_hook=_plain)
            if b"null" in body:
                refuse_nan(msgspec.to_builtins(value, enc_hook=_plain), "$")
            if check is not None:
                check.decode(body)
        except msgspec.ValidationError as error:
            raise PredictFailed(
                f"the answer does not fit its annotation: {explain(error)}"
            ) from error
        except (TypeError, ValueError, RecursionError) as error:
            raise PredictFailed(f"the answer cannot be written as JSON: {error}") from error
        return Response(_JSON, body)

    return encode


def refuse_nan(value: Any, place: str) -> None:
    """Refuse a number that JSON has no form for; msgspec writes it as null.

    Raises:
        PredictFailed: There is one; its place is named.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise PredictFailed(
            f"the answer holds {value} at {place}, which JSON has no number for",
            hint="answer null, or another number",
        )
    if isinstance(value, dict):
        for key, item in value.items():
            refuse_nan(item, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            refuse_nan(item, f"{place}[{index}]")


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, which a model easily leaves in its answer."""
    if type(value).__module__ == "numpy":
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a JSON type")
