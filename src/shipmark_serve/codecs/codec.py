"""The codec of one model: a decoder for its input and an encoder for its output."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shipmark_serve.codecs.media import MediaType
from shipmark_serve.contract.schema import Binary, Json, Tensors, Text
from shipmark_serve.predictor import Interface
from shipmark_serve.response import Response

Decode = Callable[[bytes, MediaType | None], Any]
"""Body and its media type (None: the request does not say) to a value.

It raises InvalidInput with the place of the mistake, or UnsupportedMediaType.
"""

Encode = Callable[[Any, MediaType | None, str], Response]
"""Value, media type of the request, and its Accept header (or "") to an answer.

It raises PredictFailed where the value is not what the schema promises.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """Both ways."""

    decode: Decode
    encode: Encode


def prepare(interface: Interface) -> Codec:
    """Make the codec of a model."""
    return Codec(decode=_decoder(interface), encode=_encoder(interface))


# The modules are imported where they are needed: a model of text should not wait for numpy, and
# need not have it installed.


def _decoder(interface: Interface) -> Decode:
    match interface.schema.input:
        case Text():
            from shipmark_serve.codecs import text  # noqa: PLC0415

            return text.decode
        case Binary():
            from shipmark_serve.codecs import binary  # noqa: PLC0415

            return binary.decode
        case Json():
            from shipmark_serve.codecs import json  # noqa: PLC0415

            return json.decoder(interface.input_type)
        case Tensors() as tensors:
            from shipmark_serve.codecs import tensors_json  # noqa: PLC0415

            return tensors_json.decoder(tensors)


def _encoder(interface: Interface) -> Encode:
    match interface.schema.output:
        case Text():
            from shipmark_serve.codecs import text  # noqa: PLC0415

            return text.encode
        case Binary():
            from shipmark_serve.codecs import binary  # noqa: PLC0415

            return binary.encode
        case Json():
            from shipmark_serve.codecs import json  # noqa: PLC0415

            return json.encoder(interface.output_type)
        case Tensors() as tensors:
            from shipmark_serve.codecs import tensors_json  # noqa: PLC0415

            return tensors_json.encoder(tensors)
