"""What `/predict` takes becomes a v2 request of the same tensors."""

import json

import pytest

from shipmark.errors import ShipmarkError
from shipmark.measure.v2 import infer_request

IRIS = b'{"name":"iris","platform":"x","inputs":[{"name":"x","datatype":"FP32","shape":[-1,4]}]}'
TWO = b'{"inputs":[{"name":"a","datatype":"INT64"},{"name":"b","datatype":"FP64"}]}'
TEXT = b'{"inputs":[{"name":"text","datatype":"BYTES","shape":[-1]}]}'


@pytest.mark.parametrize("given", ["[[1,2,3,4],[5,6,7,8]]", '{"x":[[1,2,3,4],[5,6,7,8]]}'])
def test_a_nested_list_has_its_shape_counted(given: str) -> None:
    assert json.loads(infer_request(IRIS, given.encode())) == {
        "inputs": [
            {"name": "x", "shape": [2, 4], "datatype": "FP32", "data": [[1, 2, 3, 4], [5, 6, 7, 8]]}
        ]
    }


def test_several_tensors_by_name() -> None:
    inputs = json.loads(infer_request(TWO, b'{"b":[0.5],"a":[[1],[2]]}'))["inputs"]

    assert [(each["name"], each["shape"]) for each in inputs] == [("a", [2, 1]), ("b", [1])]


@pytest.mark.parametrize(
    ("given", "data"), [("größer", ["größer"]), ('["a","b"]', ["a", "b"]), ("12", ["12"])]
)
def test_text_is_one_element(given: str, data: list[str]) -> None:
    (tensor,) = json.loads(infer_request(TEXT, given.encode()))["inputs"]

    assert (tensor["shape"], tensor["data"]) == ([len(data)], data)


def test_a_v2_request_stays_as_it_is() -> None:
    given = b'{"inputs": [ ], "id": "7"}'

    assert infer_request(IRIS, given) is given


@pytest.mark.parametrize("given", [b"no json", b"5", b'{"y":[1]}', b'{"x":[1],"y":[1]}'])
def test_another_input_is_refused_with_the_names(given: bytes) -> None:
    with pytest.raises(ShipmarkError) as raised:
        infer_request(IRIS, given)

    assert "tensors x" in raised.value.hint


def test_a_server_without_v2_is_told_apart() -> None:
    with pytest.raises(ShipmarkError, match="v2 protocol"):
        infer_request(b'{"detail":"not found"}', b"[1]")
