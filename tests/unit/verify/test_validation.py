"""A version is let through at its threshold and refused below, with the record to look at.

The server is a script of answers; the real one takes its turn in tests/e2e/test_validation.py.
"""

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shipmark import package as packages
from shipmark.errors import PackageError
from shipmark.package import Package
from shipmark.progress import Silent
from shipmark.verify.validation import Validation, examine, validate
from tests.unit.client.scripted import Turn, problem, reply, scripted

IMPORTS = """
from typing import Annotated
import numpy
from shipmark_serve import Tensor
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "half"


@contextmanager
def package(
    folder: Path,
    records: object,
    metric: str = "accuracy",
    threshold: float = 0.5,
    annotations: str = "x: float) -> float",
) -> Iterator[Package]:
    folder.mkdir()
    (folder / "model.py").write_text(f"{IMPORTS}def predict({annotations}:\n    return x\n")
    (folder / "data.json").write_text(records if isinstance(records, str) else json.dumps(records))
    (folder / "shipmark.toml").write_text(
        f'[validate]\ndata = "data.json"\nmetric = "{metric}"\nthreshold = {threshold}\n'
    )
    opened = packages.read(folder)
    try:
        yield opened
    finally:
        opened.source.close()


def records(*outputs: object) -> list[dict[str, Any]]:
    return [{"input": number, "output": output} for number, output in enumerate(outputs)]


def run(opened: Package, *answers: Turn) -> Validation | None:
    with scripted(*answers) as server:
        return validate(opened, server.url, records=examine(opened), progress=Silent())


def refused(opened: Package, *answers: Turn) -> PackageError:
    with pytest.raises(PackageError) as caught:
        run(opened, *answers)
    return caught.value


def test_reached(folder: Path) -> None:
    with package(folder, records(1, 2, 3, 4), threshold=0.75) as opened:
        validation = run(opened, reply(body=b"1"), reply(body=b"2"), reply(body=b"3"), reply())

    assert validation is not None
    assert (validation.value, validation.records) == (0.75, 4)
    assert str(validation) == "accuracy is 0.75 on 4 records of data.json"


def test_missed(folder: Path) -> None:
    with package(folder, records(1, 2, 3), threshold=0.97) as opened:
        error = refused(opened, reply(body=b"1"), reply(body=b"7"))

    assert error.message == (
        f"{folder}: shipmark.toml: accuracy is 0.3333 on 3 records of data.json; "
        "[validate] threshold asks for 0.97"
    )
    assert "data.json record 2: expected 2, got 7" in error.hint


def test_missed_by_a_hair(folder: Path) -> None:
    with package(folder, records(2), metric="mean_absolute_error", threshold=1) as opened:
        error = refused(opened, reply(body=b"3.00001"))

    assert "mean_absolute_error is 1.00001 on" in error.message
    assert "threshold asks for at most 1.0" in error.message


def test_an_error_may_be_as_large_as_the_threshold(folder: Path) -> None:
    with package(folder, records(1, 2), metric="root_mean_squared_error", threshold=1) as opened:
        validation = run(opened, reply(body=b"2"), reply(body=b"3"))

    assert validation is not None
    assert validation.value == 1


def test_no_validation_asked_for(folder: Path) -> None:
    folder.mkdir()
    (folder / "model.py").write_text("def predict(x: float) -> float:\n    return x\n")
    opened = packages.read(folder)

    assert examine(opened) == 0
    assert validate(opened, "http://127.0.0.1:1", records=0, progress=Silent()) is None


def test_a_record_that_the_server_refuses_is_named(folder: Path) -> None:
    said = problem("400 Bad Request", detail="at $: expected float", code="invalid-input")
    named = [*records(1), {"name": "odd", "input": "x", "output": 1}]
    with package(folder, named) as opened:
        error = refused(opened, reply(body=b"1"), said)

    (complaint,) = error.complaints
    assert complaint.place == "data.json record 2 (odd)"
    assert "is not answered: the server answered 400 Bad Request: at $: expected" in (
        complaint.message
    )


def test_a_record_that_kills_the_server_is_named(folder: Path) -> None:
    with package(folder, records(1)) as opened:
        error = refused(opened, socket.socket.close)

    assert error.complaints[0].place == "data.json record 1"
    assert "hung up" in error.message


def test_an_answer_without_numbers(folder: Path) -> None:
    with package(folder, records(1), metric="mean_absolute_error") as opened:
        error = refused(opened, reply(body=b'"one"'))

    assert "data.json record 1: the answer is no number at $" in error.message
    assert "take accuracy" in error.hint


def test_an_answer_that_is_nested_too_deeply(folder: Path) -> None:
    with package(folder, [{"input": 1, "output": {"a": 1}}]) as opened:
        error = refused(opened, reply(body=b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"))

    assert "data.json record 1: has an answer nested too deeply" in error.message


def test_bytes_in_and_out(folder: Path) -> None:
    def coded(data: bytes) -> dict[str, str]:
        return {"base64": base64.b64encode(data).decode()}

    record = {"input": coded(b"\xff\x00"), "output": coded(b"\x01")}
    with (
        package(folder, [record], annotations="x: bytes) -> bytes") as opened,
        scripted(reply(body=b"\x01", kind="application/octet-stream")) as server,
    ):
        validation = validate(opened, server.url, records=1, progress=Silent())

    assert validation is not None
    assert validation.value == 1
    assert server.seen[0].body == b"\xff\x00"


def test_text_is_sent_as_a_json_string(folder: Path) -> None:
    with (
        package(folder, [{"input": "4", "output": "4"}], annotations="x: str) -> str") as opened,
        scripted(reply(body=b'"4"')) as server,
    ):
        validation = validate(opened, server.url, records=1, progress=Silent())

    assert validation is not None
    assert (validation.value, server.seen[0].body) == (1, b'"4"')


@pytest.mark.parametrize(
    ("metric", "threshold", "place", "words"),
    [
        ("accuracy", 97, "shipmark.toml [validate] threshold", "is 97, which no accuracy can be"),
        ("mean_absolute_error", -1, "shipmark.toml [validate] threshold", "is -1, which no mean"),
    ],
)
def test_a_threshold_out_of_reach(
    folder: Path, metric: str, threshold: float, place: str, words: str
) -> None:
    with (
        package(folder, records(1), metric=metric, threshold=threshold) as opened,
        pytest.raises(PackageError) as caught,
    ):
        examine(opened)

    (complaint,) = caught.value.complaints
    assert complaint.place == place
    assert words in complaint.message
    assert caught.value.message.startswith(f"{folder}: ")


def test_an_unknown_metric_is_refused_by_the_reader(folder: Path) -> None:
    with (
        pytest.raises(
            PackageError, match=r"did you mean accuracy|'acuracy' is no metric"
        ) as caught,
        package(folder, records(1), metric="acuracy"),
    ):
        pass

    assert caught.value.complaints[0].place == "shipmark.toml:3 [validate] metric"
    assert caught.value.hint == "did you mean accuracy?"


@pytest.mark.parametrize(
    ("record", "place", "words"),
    [
        ({"input": {"y": [1]}, "output": [1]}, "data.json record 1 input", "has 'y'"),
        ({"input": [1], "output": {"y": [1]}}, "data.json record 1 output", "has 'y'"),
        ({"input": [1]}, "data.json record 1", "missing required field `output`"),
    ],
)
def test_a_record_that_no_model_could_answer(
    folder: Path, record: object, place: str, words: str
) -> None:
    array = 'Annotated[numpy.ndarray, Tensor("float32", (-1,))]'
    with (
        package(folder, [record], annotations=f"x: {array}) -> {array}") as opened,
        pytest.raises(PackageError) as caught,
    ):
        examine(opened)

    (complaint,) = caught.value.complaints
    assert complaint.place == place
    assert words in complaint.message
