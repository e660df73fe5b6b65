"""Shows that a profile counts each operator of a run, and on what it was run."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy
import pytest

from shipmark_serve.contract.errors import LoadFailed
from shipmark_serve.contract.model import Model, ServeSettings
from shipmark_serve.contract.profile import Profile
from shipmark_serve.contract.schema import DATATYPES, TensorSpec
from shipmark_serve.contract.tensor import DTYPE_OF_DATATYPE
from shipmark_serve.profiling import made_up, profile
from shipmark_serve.settings import ServerSettings, Settings
from shipmark_serve.tracing import Traces

EXAMPLES = Path(__file__).parents[3] / "examples"
SOURCE = Path(__file__).parents[3] / "src"
IRIS = Model(
    name="iris",
    version="1",
    code_digest="sha256:aa",
    runtime="onnx",
    weights="iris.onnx",
    golden=("iris.golden.json",),
)


def settings(model: Model) -> Settings:
    return Settings(
        server=ServerSettings(),
        serve=ServeSettings(),
        traces=Traces(),
        model=model,
        root=EXAMPLES,
        weights=EXAMPLES / "iris.onnx",
    )


def test_every_operator_of_a_run_is_counted() -> None:
    found = profile(settings(IRIS), runs=20, rows=None)
    assert found.runs == 20
    assert "golden" in found.inputs
    assert found.run_s > 0
    assert {each.name: each.calls for each in found.operators} == {
        "Scaler": 1,
        "LinearClassifier": 1,
        "Normalizer": 1,
    }
    for lines in (found.operators, found.nodes):
        assert sum(each.share for each in lines) == pytest.approx(1)
        assert [each.seconds for each in lines] == sorted(
            (each.seconds for each in lines), reverse=True
        )
    assert {each.provider for each in found.nodes} == {"CPUExecutionProvider"}


@pytest.mark.parametrize(
    ("rows", "golden", "inputs"),
    [(7, IRIS.golden, "made up, 7 rows"), (None, (), "made up, 1 rows")],
)
def test_inputs_are_made_up_where_asked_or_where_there_are_none(
    rows: int | None, golden: tuple[str, ...], inputs: str
) -> None:
    model = msgspec.structs.replace(IRIS, golden=golden)
    assert profile(settings(model), runs=1, rows=rows).inputs == inputs


@pytest.mark.parametrize("datatype", DATATYPES)
def test_made_up_values_are_of_the_schema_and_the_same_each_time(datatype: str) -> None:
    specs = [
        TensorSpec(name="x", datatype=datatype, shape=(-1, 3, -1)),
        TensorSpec(name="y", datatype=datatype, shape=(2,)),
    ]
    first, second = made_up(specs, 5), made_up(specs, 5)
    assert first["x"].shape == (5, 3, 8)
    assert first["y"].shape == (2,)
    wanted = "object" if datatype == "BYTES" else DTYPE_OF_DATATYPE[datatype]
    assert first["x"].dtype == wanted
    for name in first:
        numpy.testing.assert_array_equal(first[name], second[name])


def test_another_runtime_is_refused() -> None:
    with pytest.raises(LoadFailed, match="python model"):
        profile(settings(msgspec.structs.replace(IRIS, runtime="python")), runs=1, rows=None)


def run(tmp_path: Path, model: Model) -> subprocess.CompletedProcess[bytes]:
    description = tmp_path / "model.json"
    description.write_bytes(msgspec.json.encode(model))
    return subprocess.run(
        [sys.executable, "-m", "shipmark_serve.profiling", "--runs", "3"],
        env={
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "SHIPMARK_MODEL": str(description),
            "SHIPMARK_ROOT": str(EXAMPLES),
        },
        capture_output=True,
        check=False,
    )


def test_as_a_program_it_writes_the_profile_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, IRIS)
    assert done.returncode == 0, done.stderr.decode()
    assert msgspec.json.decode(done.stdout, type=Profile).model == "iris"


def test_as_a_program_it_says_why_not(tmp_path: Path) -> None:
    done = run(tmp_path, msgspec.structs.replace(IRIS, weights="missing.onnx"))
    assert done.returncode == 1
    assert b"missing.onnx" in done.stderr
    assert b"Traceback" not in done.stderr
