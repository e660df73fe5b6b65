"""What a model is asked by `/predict`, as a request of the Open Inference Protocol v2. Pure.

Source: Open Inference Protocol v2, "Inference Request JSON Object".
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from shipmark.errors import ShipmarkError
from shipmark_serve.contract.records import ForeignRecord

Nested = list[Any]


class _Tensor(ForeignRecord, frozen=True, kw_only=True):
    name: str
    datatype: str


class _Metadata(ForeignRecord, frozen=True, kw_only=True):
    inputs: list[_Tensor]


def infer_request(metadata: bytes, given: bytes) -> bytes:
    """The JSON that asks the same as `given`; what is such a request already stays as it is.

    Args:
        metadata: What `GET /v2/models/{m}` answers.
        given: An object {input name: nested list}, the bare nested list of a model with one input,
            or, for a model of text, the text.

    Raises:
        ShipmarkError: It is none of these.
    """
    try:
        inputs = msgspec.json.decode(metadata, type=_Metadata).inputs
    except msgspec.DecodeError as error:
        raise ShipmarkError(
            f"the server does not describe its model as the v2 protocol does: {error}",
            hint="give --route the path, and a v2 request as --input",
        ) from error
    try:
        value = msgspec.json.decode(given)
    except (msgspec.DecodeError, UnicodeError):
        value = None
    if isinstance(value, dict) and "inputs" in value:
        return given
    if len(inputs) == 1 and inputs[0].datatype == "BYTES" and not isinstance(value, dict):
        value = {inputs[0].name: value if isinstance(value, list) else [_text(given)]}
    elif isinstance(value, list) and len(inputs) == 1:
        value = {inputs[0].name: value}
    if not isinstance(value, dict) or value.keys() != {each.name for each in inputs}:
        names = ", ".join(each.name for each in inputs)
        raise ShipmarkError(
            "the input is not one that the model takes by v2",
            hint=f"give a JSON object with the tensors {names} as nested lists",
        )
    return msgspec.json.encode(
        {
            "inputs": [
                {
                    "name": each.name,
                    "shape": list(_shape(value[each.name])),
                    "datatype": each.datatype,
                    "data": value[each.name],
                }
                for each in inputs
            ]
        }
    )


def _shape(value: object) -> Iterator[int]:
    while isinstance(value, list):
        yield len(value)
        value = value[0] if value else None


def _text(given: bytes) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError as error:
        raise ShipmarkError(
            "the input is not UTF-8, and JSON holds nothing else", hint="give text"
        ) from error
