"""Tensors as nested JSON lists, of exactly the datatype and shape of the schema."""

from typing import Any

import msgspec

from shipmark_serve.codecs import media
from shipmark_serve.codecs.codec import Decode, Encode
from shipmark_serve.codecs.json import refuse_nan
from shipmark_serve.codecs.media import MediaType
from shipmark_serve.contract.arrays import Array, nested, of_lists
from shipmark_serve.contract.errors import InvalidInput, PredictFailed
from shipmark_serve.contract.schema import Tensors
from shipmark_serve.contract.validation import malformed
from shipmark_serve.response import Response

_JSON = b"application/json"


def decoder(schema: Tensors) -> Decode:
    """Decode an object of nested lists, or one bare nested list where there is one input."""
    fields = {f"f{index}": spec for index, spec in enumerate(schema.tensors)}
    named = msgspec.json.Decoder(
        msgspec.defstruct(
            "Request",
            [(field, nested(spec.datatype, spec.shape)) for field, spec in fields.items()],
            rename={field: spec.name for field, spec in fields.items()},
            forbid_unknown_fields=True,
        )
    )
    only = schema.tensors[0] if len(schema.tensors) == 1 else None
    bare = msgspec.json.Decoder(nested(only.datatype, only.shape)) if only is not None else None

    def decode(body: bytes, media_type: MediaType | None) -> dict[str, Array]:
        media.require_json(media_type)
        try:
            if only is not None and bare is not None and body.lstrip()[:1] != b"{":
                return {only.name: of_lists(bare.decode(body), only, "$")}
            request = named.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _described(malformed(error), schema) from error
        return {
            spec.name: of_lists(getattr(request, field), spec, f"$.{spec.name}")
            for field, spec in fields.items()
        }

    return decode


def encoder(schema: Tensors) -> Encode:
    """Encode an object of nested lists, or the bare list of a schema that is `single`."""

    def encode(value: dict[str, Array], media_type: MediaType | None, accept: str) -> Response:
        del media_type, accept
        lists: Any = {spec.name: value[spec.name].tolist() for spec in schema.tensors}
        if schema.single:
            lists = lists[schema.tensors[0].name]
        try:
            body = msgspec.json.encode(lists)
        except (TypeError, UnicodeEncodeError) as error:
            raise PredictFailed(f"the answer cannot be written as JSON: {error}") from error
        if b"null" in body:
            refuse_nan(lists, "$")
        return Response(_JSON, body)

    return encode


def _described(error: InvalidInput, schema: Tensors) -> InvalidInput:
    tensors = ", ".join(f"{spec.name} {spec.datatype} {spec.shape}" for spec in schema.tensors)
    return InvalidInput(f"{error.message}; the model takes {tensors}", hint=error.hint)
