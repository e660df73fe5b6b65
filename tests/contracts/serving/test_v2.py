"""Shows the Open Inference Protocol v2 over HTTP, the same on the fast path and on the full one."""

import struct
from typing import Any

import msgspec
import numpy
import pytest

from shipmark_serve.contract.schema import DATATYPES
from shipmark_serve.contract.tensor import DTYPE_OF_DATATYPE
from tests.contracts.runtimes.serving import Answer, Server
from tests.contracts.serving.conftest import Ask

VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "UINT64": [2**64 - 1, 0],
    "INT64": [-(2**63), 2**63 - 1],
    "INT8": [-128, 127],
    "FP16": [0.5, -65504.0],
    "FP32": [0.5, -3.0e38],
    "FP64": [0.1, -1e308],
    "BYTES": ["a", "ü\n"],
}


def values(datatype: str) -> list[Any]:
    return VALUES.get(datatype, [1, 200])


def inputs(rows: int = 1, **changed: Any) -> list[dict[str, Any]]:
    made = [
        {
            "name": name,
            "datatype": name,
            "shape": [rows, 2],
            "data": values(name) * rows,
        }
        for name in DATATYPES
    ]
    return [tensor | changed.get(str(tensor["name"]), {}) for tensor in made]


def encoded(**request: Any) -> bytes:
    return msgspec.json.encode(request)


def packed(datatype: str, elements: list[Any]) -> bytes:
    if datatype != "BYTES":
        return numpy.array(elements, DTYPE_OF_DATATYPE[datatype]).tobytes()
    texts = [element.encode() for element in elements]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def outputs(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    return {output["name"]: output for output in answer.json["outputs"]}


def refused(answer: Answer, said: str, status: int = 400) -> None:
    assert answer.status == status, answer.body
    assert list(answer.json) == ["error"]
    assert said in answer.json["error"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("nested", [False, True])
def test_every_datatype_flat_and_nested(tensors: Server, infer: Ask, nested: bool) -> None:
    asked = inputs(rows=3)
    if nested:
        for tensor in asked:
            tensor["data"] = [values(tensor["name"])] * 3
    answer = infer(tensors, encoded(inputs=asked, id="i-1"), "identity")
    assert answer.headers["content-type"] == "application/json"
    assert {key: answer.json[key] for key in ("model_name", "model_version", "id")} == {
        "model_name": "identity",
        "model_version": "1.0",
        "id": "i-1",
    }
    found = outputs(answer)
    for datatype in DATATYPES:
        output = found[f"{datatype}_out"]
        assert output["datatype"] == datatype
        assert output["shape"] == [3, 2]
        expected = numpy.array(values(datatype) * 3, DTYPE_OF_DATATYPE[datatype])
        assert output["data"] == expected.tolist()


def test_an_id_that_was_not_sent_is_not_answered(tensors: Server, infer: Ask) -> None:
    assert "id" not in infer(tensors, encoded(inputs=inputs()), "identity").json


def test_every_datatype_in_binary_both_ways(tensors: Server, infer: Ask) -> None:
    asked, tail = [], b""
    for datatype in DATATYPES:
        data = packed(datatype, values(datatype) * 2)
        tail += data
        parameters = {"binary_data_size": len(data)}
        tensor = {"name": datatype, "datatype": datatype, "shape": [2, 2], "parameters": parameters}
        asked.append(tensor)
    body = encoded(inputs=asked, parameters={"binary_data_output": True})
    answer = infer(tensors, body + tail, "identity", Inference_Header_Content_Length=len(body))
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    said = msgspec.json.decode(answer.body[:length])
    assert [output["name"] for output in said["outputs"]] == [f"{name}_out" for name in DATATYPES]
    assert all("data" not in output for output in said["outputs"])
    sizes = [output["parameters"]["binary_data_size"] for output in said["outputs"]]
    assert sum(sizes) == len(answer.body) - length
    assert answer.body[length:] == tail


def test_json_and_binary_may_be_mixed_and_outputs_chosen(tensors: Server, infer: Ask) -> None:
    data = packed("FP32", [0.5, 1.5])
    asked = inputs()
    (index,) = (i for i, tensor in enumerate(asked) if tensor["name"] == "FP32")
    del asked[index]["data"]
    asked[index]["parameters"] = {"binary_data_size": len(data)}
    wanted = [
        {"name": "INT8_out"},
        {"name": "FP32_out", "parameters": {"binary_data": True}},
        {"name": "BYTES_out", "parameters": {"binary_data": False}},
    ]
    body = encoded(inputs=asked, outputs=wanted)
    answer = infer(tensors, body + data, "identity", Inference_Header_Content_Length=len(body))
    length = int(answer.headers["inference-header-content-length"])
    said = msgspec.json.decode(answer.body[:length])["outputs"]
    assert [output["name"] for output in said] == ["INT8_out", "FP32_out", "BYTES_out"]
    assert said[0]["data"] == [-128, 127]
    assert said[1]["parameters"] == {"binary_data_size": 8}
    assert answer.body[length:] == data


def test_no_rows(tensors: Server, infer: Ask) -> None:
    none: dict[str, Any] = {name: {"data": []} for name in DATATYPES}
    found = outputs(infer(tensors, encoded(inputs=inputs(rows=0, **none)), "identity"))
    assert all(output["shape"] == [0, 2] and output["data"] == [] for output in found.values())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"INT8": {"data": [1, 128]}}, "at $.inputs[5].data[1]: expected `int` <= 127"),
        ({"UINT64": {"data": [1, 2**64]}}, "at $.inputs[4].data"),
        ({"FP32": {"data": [1, "a"]}}, "at $.inputs[10].data[1]: expected float, got str"),
        ({"FP32": {"data": [1e39, 1]}}, "at $.inputs[10].data[0]"),
        ({"FP32": {"data": [1]}}, "1 elements, and the shape is [1, 2]"),
        ({"FP32": {"data": [[1], [2]]}}, "shape [2, 1], and the shape is [1, 2]"),
        ({"FP32": {"data": [[1], [2, 3]]}}, "ragged"),
        ({"FP32": {"data": None}}, "at $.inputs[10].data"),
        ({"FP32": {"datatype": "FP64"}}, "'FP32' is FP64 [1, 2], and the model takes FP32 [-1, 2]"),
        ({"FP32": {"shape": [2]}}, "the model takes FP32 [-1, 2]"),
        ({"FP32": {"shape": [1, 3]}}, "the model takes FP32 [-1, 2]"),
        ({"FP32": {"shape": [-1, 2]}}, "at $.inputs[10].shape[0]"),
        ({"FP32": {"name": "FP31"}}, "each of"),
        ({"INT32": {"name": "INT8", "datatype": "INT8", "data": [1, 2]}}, "each of"),
        ({"FP32": {"shape": [2, 2], "data": [1, 2, 3, 4]}}, "the inputs differ in"),
        ({"FP32": {"parameters": {"binary_data_size": 8}}}, "has data, and binary_data_size too"),
    ],
)
def test_wrong_tensors_are_refused_with_their_place(
    tensors: Server, infer: Ask, changed: dict[str, Any], said: str
) -> None:
    answer = infer(tensors, encoded(inputs=inputs(**changed)), "identity")
    refused(answer, said.replace("`", ""))


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (b"{", {}, "not JSON"),
        (b"", {}, "not JSON"),
        (b"[]", {}, "expected object, got array"),
        (b"{}", {}, "missing required field inputs"),
        (encoded(inputs=[]), {}, "each of"),
        (encoded(inputs=inputs(), id=1), {}, "at $.id: expected str | null, got int"),
        (encoded(inputs=inputs(), outputs=[{"name": "x"}]), {}, "no output 'x'"),
        (
            encoded(inputs=inputs(), parameters={"binary_data_output": 1}),
            {},
            "at $.parameters.binary_data_output: expected bool, got 1",
        ),
        (encoded(inputs=inputs()), {"Inference_Header_Content_Length": 10**6}, "Content-Length is"),
        (encoded(inputs=inputs()), {"Inference_Header_Content_Length": "-1"}, "Content-Length is"),
        (encoded(inputs=inputs()), {"Inference_Header_Content_Length": "1_0"}, "Content-Length is"),
    ],
)
def test_wrong_requests_are_refused(
    tensors: Server, infer: Ask, body: bytes, headers: dict[str, Any], said: str
) -> None:
    refused(infer(tensors, body, "identity", **headers), said)


@pytest.mark.parametrize(
    ("size", "tail", "said"),
    [
        (8, b"\0" * 7, "7 bytes are left"),
        (8, b"\0" * 9, "1 bytes after the JSON belong to no tensor"),
        (4, b"\0" * 4, "4 bytes of FP32, and the shape is [1, 2]"),
        (-8, b"", "is -8, and not a length"),
        ("8", b"\0" * 8, "is '8', and not a length"),
        (True, b"\0", "is True, and not a length"),
    ],
)
def test_wrong_binary_tensors_are_refused(
    tensors: Server, infer: Ask, size: Any, tail: bytes, said: str
) -> None:
    asked = inputs(FP32={"parameters": {"binary_data_size": size}})
    for tensor in asked:
        if tensor["name"] == "FP32":
            del tensor["data"]
    body = encoded(inputs=asked)
    headers = {"Inference_Header_Content_Length": len(body)}
    refused(infer(tensors, body + tail, "identity", **headers), said)


def test_a_body_that_is_too_large(tensors: Server, infer: Ask) -> None:
    refused(infer(tensors, b" " * 200_001, "identity"), "200000 bytes", 413)


def test_text_is_bytes_of_n(texts: Server, infer: Ask) -> None:
    tensor: dict[str, Any] = {"name": "input", "datatype": "BYTES", "shape": [3]}
    tensor["data"] = ["a", "ß", ""]
    answer = infer(texts, encoded(inputs=[tensor]), "texts")
    assert outputs(answer)["output"] == {
        "name": "output",
        "datatype": "BYTES",
        "shape": [3],
        "data": ["A", "SS", ""],
    }
    data = packed("BYTES", ["x", "yz"])
    del tensor["data"]
    tensor |= {"shape": [2], "parameters": {"binary_data_size": len(data)}}
    body = encoded(
        inputs=[tensor], outputs=[{"name": "output", "parameters": {"binary_data": True}}]
    )
    answer = infer(texts, body + data, "texts", Inference_Header_Content_Length=len(body))
    assert answer.status == 200, answer.body
    assert answer.body.endswith(packed("BYTES", ["X", "YZ"]))
    refused(infer(texts, encoded(inputs=[tensor | {"name": "x"}]), "texts"), "one input, 'input'")
    for data in (b"\5\0\0\0a", b"\1\0"):
        tensor |= {"shape": [1], "parameters": {"binary_data_size": len(data)}}
        body = encoded(inputs=[tensor])
        headers = {"Inference_Header_Content_Length": len(body)}
        refused(infer(texts, body + data, "texts", **headers), "left")


def test_an_item_that_fails_fails_its_request_alone(texts: Server, infer: Ask) -> None:
    for text in ("raise", "short"):
        tensor = {"name": "input", "datatype": "BYTES", "shape": [2], "data": ["a", text]}
        answer = infer(texts, encoded(inputs=[tensor]), "texts")
        assert answer.status == 500
        assert list(answer.json) == ["error"]
        assert "Traceback" not in answer.json["error"]


def test_json_types_are_their_text(items: Server, infer: Ask) -> None:
    questions = ['{"word": "a", "times": 3}', '{"word": "b"}']
    tensor = {"name": "input", "datatype": "BYTES", "shape": [2], "data": questions}
    answer = infer(items, encoded(inputs=[tensor]), "items")
    assert outputs(answer)["output"]["data"] == ["aaa", "b"]
    tensor["data"] = ["{}", '{"word": 1}']
    refused(
        infer(items, encoded(inputs=[tensor]), "items"), "at $.inputs[0].data[0]: object missing"
    )


def test_bytes_that_are_no_text_are_base64(blobs: Server, infer: Ask) -> None:
    tensor: dict[str, Any] = {"name": "input", "datatype": "BYTES", "shape": [1], "data": ["ab"]}
    assert outputs(infer(blobs, encoded(inputs=[tensor]), "blobs"))["output"]["data"] == ["ba"]
    tensor |= {"data": ["AP8="], "parameters": {"content_type": "base64"}}
    output = outputs(infer(blobs, encoded(inputs=[tensor]), "blobs"))["output"]
    assert output["data"] == ["/wA="]
    assert output["parameters"] == {"content_type": "base64"}


def test_metadata_and_health(tensors: Server, texts: Server) -> None:
    for path in ("/v2", "/v2/"):
        server = tensors.request("GET", path).json
        assert server["name"] == "shipmark"
        assert "binary_tensor_data" in server["extensions"]
    for path in ("/v2/models/identity", "/v2/models/identity/versions/1.0"):
        model = tensors.request("GET", path).json
        assert model["name"] == "identity"
        assert model["versions"] == ["1.0"]
        assert model["platform"] == "onnx"
        assert model["inputs"][0] == {"name": "BOOL", "datatype": "BOOL", "shape": [-1, 2]}
        assert model["outputs"][-1] == {"name": "BYTES_out", "datatype": "BYTES", "shape": [-1, 2]}
        assert tensors.request("GET", f"{path}/ready").status == 200
    assert texts.request("GET", "/v2/models/texts").json["inputs"] == [
        {"name": "input", "datatype": "BYTES", "shape": [-1]}
    ]
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert tensors.request("GET", path).status == 200
    for path in ("/v2/models/other", "/v2/models/identity/versions/2/infer", "/v2/nothing"):
        refused(tensors.request("GET", path), "there is no", 404)


def test_a_version_may_be_named(tensors: Server) -> None:
    body = encoded(inputs=inputs())
    answer = tensors.request("POST", "/v2/models/identity/versions/1.0/infer", body)
    assert outputs(answer)["INT8_out"]["data"] == [-128, 127]
