"""`POST /v2/models/{m}/infer`, in JSON and binary."""

from typing import Any

import msgspec

from shipmark_serve import problems
from shipmark_serve.call import Call, Endpoint
from shipmark_serve.contract.errors import InvalidInput, ServeError
from shipmark_serve.contract.model import Model
from shipmark_serve.contract.v2 import binary
from shipmark_serve.contract.v2.messages import (
    BINARY_DATA,
    BINARY_DATA_OUTPUT,
    JSON_LENGTH,
    InferRequest,
    ModelMetadata,
    Parameters,
)
from shipmark_serve.contract.validation import malformed
from shipmark_serve.endpoints.v2.reading import Reader, reader, usual
from shipmark_serve.endpoints.v2.writing import Writer, writer
from shipmark_serve.predictor import Interface
from shipmark_serve.response import Response

_JSON = b"application/json"
_OCTETS = b"application/octet-stream"
_decoder = msgspec.json.Decoder(InferRequest)


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What the answer to a request should be."""

    id: str | None
    outputs: tuple[tuple[str, bool], ...] | None
    """Names of the outputs wanted, and whether in binary; None: all of them."""
    binary: bool
    """Whether all of them should be in binary."""


_PLAIN = Asked(None, None, False)


class Infer:
    """Named tensors by the schema; what is not a tensor is BYTES [n]."""

    route = "infer"

    def __init__(self, model: Model, interface: Interface) -> None:
        named = {"model_name": model.name, "model_version": model.version}
        self._before = msgspec.json.encode(named)[:-1] + b","
        self._read: Reader = reader(interface)
        self._usual = usual(interface)
        self._write: Writer = writer(interface)
        self._all = range(len(self._write.tensors))
        self._outputs = {spec.name: index for index, spec in enumerate(self._write.tensors)}
        self.metadata = ModelMetadata(
            name=model.name,
            versions=(model.version,),
            platform=model.runtime,
            inputs=self._read.tensors,
            outputs=self._write.tensors,
        )

    def decode(self, call: Call) -> None:
        """Read JSON, and the binary tensors after it."""
        if not call.head.json_length and self._usual is not None:
            value = self._usual(call.body)
            if value is not None:
                call.value, call.asked = value, _PLAIN
                return
        text, after = binary.split(call.body, call.head.json_length)
        try:
            request = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error) from error
        tail = binary.Tail(after)
        call.value = self._read(request.inputs, tail)
        tail.end()
        if request.id is None and request.outputs is None and request.parameters is None:
            call.asked = _PLAIN
        else:
            call.asked = self._asked(request)

    def _asked(self, request: InferRequest) -> Asked:
        everything = _flag(request.parameters, BINARY_DATA_OUTPUT, "$", otherwise=False)
        outputs = []
        for index, output in enumerate(request.outputs or ()):
            place = f"$.outputs[{index}]"
            if output.name not in self._outputs:
                raise InvalidInput(
                    f"at {place}: there is no output {output.name!r}",
                    hint=f"there are {', '.join(self._outputs)}",
                )
            in_binary = _flag(output.parameters, BINARY_DATA, place, otherwise=everything)
            outputs.append((output.name, in_binary))
        return Asked(request.id, tuple(outputs) if outputs else None, everything)

    def encode(self, call: Call, value: Any) -> Response:
        """Write the outputs that were asked for, in the order in which they were."""
        asked: Asked = call.asked
        tail: list[bytes] = []
        write = self._write
        if asked.outputs is None:
            to = tail if asked.binary else None
            outputs = [write(index, value, to) for index in self._all]
        else:
            outputs = [
                write(self._outputs[name], value, tail if in_binary else None)
                for name, in_binary in asked.outputs
            ]
        given = b"" if asked.id is None else b'"id":%b,' % msgspec.json.encode(asked.id)
        body = b'%b%b"outputs":[%b]}' % (self._before, given, b",".join(outputs))
        if not tail:
            return Response(_JSON, body)
        length = (JSON_LENGTH.lower().encode(), str(len(body)).encode())
        return Response(_OCTETS, b"".join((body, *tail)), headers=(length,))

    def problem(self, error: ServeError, request_id: str) -> Response:
        """An object with the one key `error`."""
        del request_id
        return problems.of_error_v2(error)


def _flag(parameters: Parameters | None, key: str, place: str, *, otherwise: bool) -> bool:
    value = otherwise if parameters is None else parameters.get(key, otherwise)
    if not isinstance(value, bool):
        raise InvalidInput(f"at {place}.parameters.{key}: expected bool, got {value!r}")
    return value


_: type[Endpoint] = Infer
