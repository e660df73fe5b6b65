"""What an ONNX file takes and gives, and which files lie outside of it; weights are not read.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from shipmark.package.complaints import Complaints, refusal
from shipmark.package.package import Source
from shipmark.package.paths import UnsafePathError, clean, show
from shipmark.package.protobuf import Field, MalformedError, MessageReader
from shipmark_serve.contract.schema import Schema, Tensors, TensorSpec

MAX_TEXT_BYTES = 64 * 1024
"""Names and paths inside a model."""

MAX_DEPTH = 32
"""Graphs within attributes of nodes of graphs."""

MAX_INPUTS = 10_000
SMALL_NODE_BYTES = 64 * 1024

_DATATYPES = {
    1: "FP32", 2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 6: "INT32", 7: "INT64",
    8: "BYTES", 9: "BOOL", 10: "FP16", 11: "FP64", 12: "UINT32", 13: "UINT64",
}  # fmt: skip
_OTHER_DATATYPES = {14: "complex64", 15: "complex128", 16: "bfloat16"}

_EXTERNAL = 1
_LOCATION = b"location"

_MODEL_GRAPH, _MODEL_OPSET = 7, 8
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_GRAPH_SPARSE = 15
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 8, 13, 14
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TYPE_SEQUENCE, _TYPE_MAP, _TYPE_OPTIONAL, _TYPE_SPARSE = 1, 4, 5, 9, 8
_KINDS = {_TYPE_SEQUENCE: "a sequence", _TYPE_MAP: "a map", _TYPE_OPTIONAL: "an optional value",
          _TYPE_SPARSE: "a sparse tensor"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """An input or output of the graph."""

    name: str
    datatype: int = 0
    """Number of `TensorProto.DataType`."""
    shape: tuple[int, ...] | None = None
    """None where the file does not give the rank."""
    kind: str = ""
    """What it is, where it is no tensor."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """What was read of the file."""

    inputs: tuple[ValueInfo, ...]
    """Those a caller must give: without the ones that have an initialiser."""
    outputs: tuple[ValueInfo, ...]
    opsets: dict[str, int]
    """Domain -> version; the empty domain is ONNX's own."""
    external: tuple[str, ...]
    """Locations of external data as written, relative to the folder of the file."""


def read_onnx(source: Source, path: str, size: int) -> OnnxModel:
    """Read the structure of the ONNX file at `path`.

    Raises:
        PackageError: It is no whole ONNX file.
    """
    with source.open(path) as stream:
        try:
            return _Reading(MessageReader(stream, size)).model()
        except MalformedError as error:
            raise refusal(
                show(path),
                f"is no whole ONNX file: it {error}",
                "export or copy it again; onnx.checker.check_model tells whether it is whole",
            ) from error


def schema_of(model: OnnxModel, path: str, complaints: Complaints) -> Schema | None:
    """The schema of the model; what cannot be served is complained of.

    Returns:
        None where the server must find out: the file does not give the rank of something.
    """
    specs: list[list[TensorSpec]] = []
    for values, word in ((model.inputs, "input"), (model.outputs, "output")):
        specs.append([])
        for value in values:
            place = f"{show(path)} {word} {show(value.name)!r}"
            if value.kind:
                complaints.add(
                    place,
                    f"is {value.kind}; only tensors can be served",
                    "export a scikit-learn classifier with options={'zipmap': False}"
                    if word == "output"
                    else "export the model with tensors as inputs",
                )
            elif value.datatype not in _DATATYPES:
                name = _OTHER_DATATYPES.get(value.datatype, f"number {value.datatype}")
                complaints.add(
                    place,
                    f"is of type {name}, which the Open Inference Protocol does not have",
                    "cast it to an ordinary type in the model",
                )
            elif value.shape is not None:
                datatype = _DATATYPES[value.datatype]
                specs[-1].append(TensorSpec(name=value.name, datatype=datatype, shape=value.shape))
    if (len(specs[0]), len(specs[1])) != (len(model.inputs), len(model.outputs)):
        return None
    return Schema(input=Tensors(tensors=tuple(specs[0])), output=Tensors(tensors=tuple(specs[1])))


def external_paths(model: OnnxModel, path: str, complaints: Complaints) -> tuple[str, ...]:
    """Paths in the package of the model's external data; those that lead out are complained of."""
    paths: list[str] = []
    for location in model.external:
        try:
            paths.append(clean(posixpath.join(posixpath.dirname(path), clean(location))))
        except UnsafePathError as error:
            complaints.add(
                show(path),
                f"has its weights in {show(location)!r}, which {error}",
                "save it with the data file beside it: "
                "onnx.save(model, ..., save_as_external_data=True, location='weights.bin')",
            )
    return tuple(paths)


class _Reading:
    def __init__(self, reader: MessageReader) -> None:
        self._reader = reader
        self._inputs: list[ValueInfo] = []
        self._outputs: list[ValueInfo] = []
        self._initialised: set[str] = set()
        self._external: dict[str, None] = {}

    def model(self) -> OnnxModel:
        opsets: dict[str, int] = {}
        has_graph = False
        if self._reader.size == 0:
            raise MalformedError("is empty")
        for field in self._reader.fields(0, self._reader.size):
            if field.number == _MODEL_GRAPH:
                has_graph = True
                self._graph(field, depth=0)
            elif field.number == _MODEL_OPSET:
                domain, version = "", 0
                for part in self._inside(field):
                    if part.number == _OPSET_DOMAIN:
                        domain = self._text(part)
                    elif part.number == _OPSET_VERSION:
                        version = part.value
                opsets[domain] = version
        if not has_graph:
            raise MalformedError("has no graph")
        if not self._outputs:
            raise MalformedError("has a graph without outputs")
        return OnnxModel(
            inputs=tuple(each for each in self._inputs if each.name not in self._initialised),
            outputs=tuple(self._outputs),
            opsets=opsets,
            external=tuple(self._external),
        )

    def _graph(self, graph: Field, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise MalformedError(f"has graphs within graphs, more than {MAX_DEPTH} deep")
        for field in self._inside(graph):
            if field.number == _GRAPH_NODE:
                self._node(field, depth)
            elif field.number == _GRAPH_INITIALIZER:
                name = self._tensor(field)
                if depth == 0:
                    self._initialised.add(name)
            elif field.number == _GRAPH_SPARSE:
                for part in self._inside(field):
                    if part.number in (1, 2) and part.start >= 0:
                        self._tensor(part)
            elif field.number in (_GRAPH_INPUT, _GRAPH_OUTPUT) and depth == 0:
                values = self._inputs if field.number == _GRAPH_INPUT else self._outputs
                values.append(self._value(field))
                if len(values) > MAX_INPUTS:
                    raise MalformedError(f"has more than {MAX_INPUTS} inputs or outputs")

    def _node(self, node: Field, depth: int) -> None:
        """Look for external data in the attributes; most nodes cannot have any."""
        is_small = node.end - node.start <= SMALL_NODE_BYTES
        if is_small and _LOCATION not in self._reader.content(node, SMALL_NODE_BYTES):
            return
        for attribute in self._inside(node):
            if attribute.number != _NODE_ATTRIBUTE:
                continue
            for field in self._inside(attribute):
                if field.number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                    self._tensor(field)
                elif field.number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                    self._graph(field, depth + 1)

    def _tensor(self, tensor: Field) -> str:
        """Note where the data of a tensor lie, and give its name."""
        name, locations, is_external = "", [], False
        for field in self._inside(tensor):
            if field.number == _TENSOR_NAME:
                name = self._text(field)
            elif field.number == _TENSOR_EXTERNAL:
                key = value = ""
                for part in self._inside(field):
                    if part.number == 1:
                        key = self._text(part)
                    elif part.number == 2:
                        value = self._text(part)
                if key == "location":
                    locations.append(value)
            elif field.number == _TENSOR_LOCATION:
                is_external = field.value == _EXTERNAL
        if is_external:
            self._external.update(dict.fromkeys(locations))
        return name

    def _value(self, value: Field) -> ValueInfo:
        name, kind, datatype = "", "", 0
        shape: tuple[int, ...] | None = None
        for field in self._inside(value):
            if field.number == _VALUE_NAME:
                name = self._text(field)
            elif field.number == _VALUE_TYPE:
                for choice in self._inside(field):
                    kind = _KINDS.get(choice.number, kind)
                    if choice.number == _TYPE_TENSOR:
                        datatype, shape = self._tensor_type(choice)
        return ValueInfo(name, datatype, shape, kind)

    def _tensor_type(self, tensor_type: Field) -> tuple[int, tuple[int, ...] | None]:
        datatype = 0
        shape: tuple[int, ...] | None = None
        for field in self._inside(tensor_type):
            if field.number == 1:
                datatype = field.value
            elif field.number == 2:
                shape = tuple(self._length(axis) for axis in self._inside(field))
        return datatype, shape

    def _length(self, axis: Field) -> int:
        """The length of one axis; -1 where it has a name or nothing in its place."""
        for field in self._inside(axis):
            if field.number == 1 and 0 < field.value < 1 << 63:
                return field.value
        return -1

    def _text(self, field: Field) -> str:
        try:
            return self._reader.content(field, MAX_TEXT_BYTES).decode()
        except UnicodeDecodeError as error:
            raise MalformedError(f"has a text that is not UTF-8 at byte {field.start}") from error

    def _inside(self, field: Field) -> Iterator[Field]:
        if field.start < 0:
            raise MalformedError(f"has a number where field {field.number} should be a message")
        return self._reader.fields(field.start, field.end)
