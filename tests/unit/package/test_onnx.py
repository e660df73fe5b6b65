"""ONNX files: the schema without reading weights; broken and hostile ones refused."""

import io
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy
import onnx
import onnx.external_data_helper
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from shipmark.errors import PackageError
from shipmark.package import onnx_file, read
from shipmark.package.complaints import Complaints
from shipmark.package.onnx_file import OnnxModel, external_paths, read_onnx, schema_of
from shipmark.package.protobuf import MalformedError, MessageReader
from shipmark_serve.contract.schema import Schema, Tensors, TensorSpec
from tests.unit.package.making import complaints_of, read_zip, the_only, write_tree, zip_of


def linear(weights: numpy.ndarray | None = None) -> onnx.ModelProto:
    weights = numpy.ones((4, 3), numpy.float32) if weights is None else weights
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, list(weights.shape)),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


class Bytes:
    """A source of one file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self, path: str) -> io.BytesIO:
        del path
        return io.BytesIO(self._data)

    def close(self) -> None:
        pass


def model_of(data: bytes) -> OnnxModel:
    return read_onnx(Bytes(data), "m.onnx", len(data))


def schema_and_complaints(model: onnx.ModelProto) -> tuple[Schema | None, Complaints]:
    complaints = Complaints("demo")
    read = model_of(model.SerializeToString())
    return schema_of(read, "m.onnx", complaints), complaints


def value(
    name: str, datatype: int, shape: Sequence[str | int | None] | None
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, datatype, shape)


def identity(given: onnx.ValueInfoProto, taken: onnx.ValueInfoProto) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Identity", [given.name], [taken.name])], "g", [given], [taken]
    )
    return helper.make_model(graph)


def test_schema(tmp_path: Path) -> None:
    onnx.save(linear(), tmp_path / "iris.onnx")
    package = read(tmp_path / "iris.onnx")
    assert package.name == "iris"
    assert package.model.schema == Schema(
        input=Tensors(tensors=(TensorSpec(name="x", datatype="FP32", shape=(-1, 4)),)),
        output=Tensors(tensors=(TensorSpec(name="y", datatype="FP32", shape=(-1, 3)),)),
    )
    assert package.requirements == ("numpy", "onnxruntime")
    assert package.model.weights == "iris.onnx"
    assert [each.path for each in package.weights] == ["iris.onnx"]
    assert package.lock_path == str(tmp_path / "iris.shipmark.lock")
    assert model_of(linear().SerializeToString()).opsets == {"": 17}


def test_golden_records_beside_a_single_file(tmp_path: Path) -> None:
    onnx.save(linear(), tmp_path / "iris.onnx")
    write_tree(
        tmp_path,
        {"iris.golden.json": '{"input": [[1, 2, 3, 4]], "output": {"y": [[10, 10, 10]]}}', "x": ""},
    )
    package = read(tmp_path / "iris.onnx")
    assert package.model.golden == ("iris.golden.json",)
    assert [each.path for each in package.code] == ["iris.golden.json"]
    assert not package.notes


@pytest.mark.parametrize(
    ("number", "datatype"),
    [
        (TensorProto.FLOAT16, "FP16"), (TensorProto.DOUBLE, "FP64"), (TensorProto.INT8, "INT8"),
        (TensorProto.UINT64, "UINT64"), (TensorProto.BOOL, "BOOL"), (TensorProto.STRING, "BYTES"),
        (TensorProto.INT64, "INT64"), (TensorProto.UINT16, "UINT16"),
    ],
)  # fmt: skip
def test_datatypes(number: int, datatype: str) -> None:
    schema, _ = schema_and_complaints(identity(value("a", number, []), value("b", number, [2, -1])))
    assert schema is not None
    assert schema.input == Tensors(tensors=(TensorSpec(name="a", datatype=datatype, shape=()),))
    assert isinstance(schema.output, Tensors)
    assert schema.output.tensors[0].shape == (2, -1)


def test_unknown_rank_is_left_to_the_server() -> None:
    given, taken = value("a", TensorProto.FLOAT, [1]), value("b", TensorProto.FLOAT, None)
    schema, complaints = schema_and_complaints(identity(given, taken))
    assert schema is None
    assert not complaints


def test_bfloat16_is_refused() -> None:
    number = TensorProto.BFLOAT16
    _, complaints = schema_and_complaints(identity(value("a", number, []), value("b", number, [])))
    with pytest.raises(PackageError, match="bfloat16, which the Open Inference Protocol"):
        complaints.raise_if_any()


def test_zipmap_is_refused_with_the_mend(tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    rows, labels = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(rows, labels)
    rows = rows[:1].astype(numpy.float32)
    (tmp_path / "iris.onnx").write_bytes(to_onnx(model, rows).SerializeToString())
    found = the_only(complaints_of(tmp_path / "iris.onnx"))
    assert str(found).startswith("iris.onnx output 'output_probability': is a sequence")
    assert "zipmap" in found.mend
    flat = to_onnx(model, rows, options={"zipmap": False})
    (tmp_path / "iris.onnx").write_bytes(flat.SerializeToString())
    schema = read(tmp_path / "iris.onnx").model.schema
    assert schema is not None
    assert isinstance(schema.output, Tensors)
    assert [(spec.datatype, spec.shape) for spec in schema.output.tensors] == [
        ("INT64", (-1,)),
        ("FP32", (-1, 3)),
    ]


def test_weights_are_not_read_into_memory() -> None:
    data = linear(numpy.zeros((4_000_000, 3), numpy.float32)).SerializeToString()
    assert len(data) > 40_000_000
    source = Bytes(data)
    stream = source.open("m.onnx")
    tracemalloc.start()
    try:
        onnx_file._Reading(MessageReader(stream, len(data))).model()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def save_external(folder: Path) -> None:
    onnx.save(
        linear(),
        folder / "m.onnx",
        save_as_external_data=True,
        location="m.bin",
        size_threshold=0,
    )


def test_external_data_belong_to_the_weights(tmp_path: Path) -> None:
    save_external(tmp_path)
    single = read(tmp_path / "m.onnx")
    folder = read(tmp_path, name="m")
    packed = read_zip(
        zip_of({name: (tmp_path / name).read_bytes() for name in ("m.onnx", "m.bin")})
    )
    for package in (single, folder, packed):
        assert [each.path for each in package.weights] == ["m.bin", "m.onnx"]
        assert package.version.weights_digest == single.version.weights_digest
    packed.source.close()


def test_missing_external_data(tmp_path: Path) -> None:
    save_external(tmp_path)
    (tmp_path / "m.bin").unlink()
    found = the_only(complaints_of(tmp_path / "m.onnx"))
    assert str(found) == "m.onnx: has its weights in 'm.bin', which is not there"


@pytest.mark.parametrize("where", ["initializer", "constant", "subgraph"])
@pytest.mark.parametrize("location", ["/etc/passwd", "../../etc/passwd", "a\\b"])
def test_external_data_outside(tmp_path: Path, where: str, location: str) -> None:
    tensor = numpy_helper.from_array(numpy.ones((4, 3), numpy.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    model = linear()
    if where == "initializer":
        model.graph.initializer[0].CopyFrom(tensor)
    elif where == "constant":
        model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    else:
        output = value("c", TensorProto.FLOAT, [4, 3])
        inner = helper.make_graph([], "inner", [], [output], [tensor])
        node = helper.make_node("If", ["x"], ["c"], then_branch=inner, else_branch=inner)
        model.graph.node.append(node)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    found = the_only(complaints_of(tmp_path / "m.onnx"))
    assert "has its weights in" in found.message
    assert "m.onnx" in found.place


def test_external_paths_are_relative_to_the_model() -> None:
    model = OnnxModel((), (), {}, ("w.bin", "deep/v.bin"))
    paths = external_paths(model, "weights/m.onnx", Complaints("demo"))
    assert paths == ("weights/w.bin", "weights/deep/v.bin")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello world, this is no model", "no whole ONNX file"),
        (b"\x08\x08", "has no graph"),
        (b"\x3a\x00", "has a graph without outputs"),
        (b"\x3a\xff\xff\xff\xff\x0f", "says that"),
        (b"\xff" * 20, "does not end"),
        (b"\x38\x01", "has a number where field 7 should be a message"),
        (b"\x3a\x02\x5a\x05", "says that 5 bytes follow"),
        (b"\x00\x00", "no valid field"),
        (b"\x0b", "unknown type 3"),
        (b"\x09\x00", "ends within a number"),
    ],
)
def test_broken_file(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "m.onnx").write_bytes(data)
    found = the_only(complaints_of(tmp_path / "m.onnx"))
    assert found.message.startswith("is no whole ONNX file: it ")
    assert words in found.message or words in "no whole ONNX file"


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path: Path, keep: float) -> None:
    data = linear(numpy.ones((400, 3), numpy.float32)).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data[: int(len(data) * keep)])
    assert "is no whole ONNX file" in the_only(complaints_of(tmp_path / "m.onnx")).message


def test_graphs_within_graphs_are_bounded() -> None:
    graph = b"\x62\x00"
    for _ in range(60):
        attribute = b"\x32" + varint(len(graph)) + graph
        node = b"\x2a" + varint(len(attribute)) + attribute + b"\x0a\x08location"
        graph = b"\x0a" + varint(len(node)) + node
    with pytest.raises(PackageError, match="graphs within graphs, more than 32 deep"):
        model_of(b"\x3a" + varint(len(graph)) + graph)


def test_number_of_fields_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipmark.package.protobuf.MAX_FIELDS", 100)
    with pytest.raises(PackageError, match="more than 100 fields"):
        model_of(b"\x08\x01" * 200)


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(MalformedError):
        onnx_file._Reading(MessageReader(io.BytesIO(data), len(data))).model()


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_any_changed_byte_is_read_or_refused(at: int, byte: int) -> None:
    data = bytearray(linear().SerializeToString())
    data[at % len(data)] = byte
    complaints = Complaints("demo")
    try:
        model = model_of(bytes(data))
    except PackageError:
        return
    schema_of(model, "m.onnx", complaints)
    external_paths(model, "m.onnx", complaints)
