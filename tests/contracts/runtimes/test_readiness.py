"""Shows that a server is ready only when it can answer right, and says why it is not."""

import time
from pathlib import Path

import numpy
import pytest
import skops.io
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from shipmark_serve.contract.model import Model
from tests.contracts.runtimes.serving import described, python_package, serving, started


def test_not_ready_while_loading(tmp_path: Path) -> None:
    code = "import time\ndef init(): time.sleep(1.5)\ndef predict(text): return text"
    with started(tmp_path / "model", python_package(tmp_path / "model", code)) as server:

        def listens() -> bool:
            try:
                return server.request("GET", "/health/live").status == 200
            except OSError:
                return False

        server.wait_for(listens)
        answer = server.request("GET", "/health/ready")
        assert (answer.status, answer.json["state"]) == (503, "loading")
        answer = server.predict(b"a", "text/plain")
        assert (answer.status, answer.json["code"]) == (503, "not-ready")
        assert answer.headers["retry-after"]
        server.wait_until_ready()
        assert server.predict(b"a", "text/plain").body == b"a"


def test_a_server_can_be_stopped_while_loading(tmp_path: Path) -> None:
    code = "import time\ndef init(): time.sleep(600)\ndef predict(text): return text"
    with started(tmp_path / "model", python_package(tmp_path / "model", code)) as server:
        server.wait_for(lambda: server.request("GET", "/health/live").status == 200)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5


def test_a_golden_record_that_fails_is_named_with_its_distance(tmp_path: Path) -> None:
    code = """
from typing import Annotated
import numpy
from shipmark_serve import Tensor
Numbers = Annotated[numpy.ndarray, Tensor("float64", (-1,))]
def predict(x: Numbers) -> Numbers: return x * 1.01
"""
    good = {"name": "lenient", "input": [1.0], "output": [1.0], "tolerance": 0.1}
    bad = {"name": "twice", "input": [1.0, 2.0], "output": [1.0, 2.0]}
    model = python_package(tmp_path / "model", code, good, bad)
    with started(tmp_path / "model", model) as server:
        assert server.wait() == 1
        assert "1 of 2 golden records failed" in server.log
        assert "record 2 (twice) of golden/records.json" in server.log
        assert "relative L2 distance 0.01" in server.log
        assert "tolerance 0.001" in server.log


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"input": "a", "output": "b"}, "at $: expected 'b', got 'A'"),
        ({"input": "raise", "output": "b"}, "the model raised an exception"),
        ({"input": "a"}, "missing required field"),
    ],
)
def test_records_that_cannot_pass(tmp_path: Path, record: object, said: str) -> None:
    code = "def predict(text): return {'a': 'A'}[text]"
    with started(tmp_path / "model", python_package(tmp_path / "model", code, record)) as server:
        assert server.wait() == 1
        assert said in server.log


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = tmp_path / "model"
    root.mkdir()
    entry = described(root, runtime="python", entry="absent.py")
    weights = described(root, runtime="onnx", weights="absent.onnx")
    record = described(root, runtime="python", entry="model.py", golden=("absent.json",))
    (root / "model.py").write_text("def predict(text): return text")
    for model, said in ((entry, "absent.py"), (weights, "absent.onnx"), (record, "absent.json")):
        with started(root, model) as server:
            assert server.wait() == 1
            assert said in server.log
    with started(root, record, SHIPMARK_ROOT=str(tmp_path / "nowhere")) as server:
        assert server.wait() == 1
        assert "nowhere" in server.log
    with started(root, entry, SHIPMARK_MODEL="/nowhere.json") as server:
        assert server.wait() == 1
        assert "/nowhere.json" in server.log
    with started(root, described(root, runtime="pyhton")) as server:
        assert server.wait() == 1
        assert "known ones: onnx, python, sklearn" in server.log
    with started(root, record, SHIPMARK_LISTEN_FD="77") as server:
        assert server.wait() == 1
        assert "cannot listen on descriptor 77" in server.log


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", "def predict(text): return text")
    with serving(tmp_path / "model", model) as server:
        env = {"SHIPMARK_LISTEN_FD": "", "SHIPMARK_HOST": "127.0.0.1", "PORT": str(server.port)}
        (tmp_path / "second").mkdir()
        with started(tmp_path / "second", model, **env) as second:
            assert second.wait() == 1
            assert f"cannot listen on 127.0.0.1 port {server.port}" in second.log
            assert "Address already in use" in second.log


def test_an_onnx_file_with_a_zipmap_is_refused_with_the_mend(
    tmp_path: Path, classifier: LogisticRegression
) -> None:
    root = tmp_path / "zipmap"
    root.mkdir()
    exported = to_onnx(classifier, numpy.zeros((1, 2), "float32"), target_opset=17)
    (root / "model.onnx").write_bytes(exported.SerializeToString())
    with started(root, described(root, runtime="onnx", weights="model.onnx")) as server:
        assert server.wait() == 1
        assert "zipmap" in server.log
    (root / "model.onnx").write_bytes(b"not onnx")
    with started(root, described(root, runtime="onnx", weights="model.onnx")) as server:
        assert server.wait() == 1
        assert "cannot load model.onnx" in server.log


def test_onnxruntime_reports_to_nobody(
    tmp_path: Path, packages: dict[str, tuple[Path, Model]]
) -> None:
    """With its telemetry on it keeps a device identifier and a cache below the home directory."""
    root, model = packages["onnx"]
    home = tmp_path / "home"
    home.mkdir()
    with serving(root, model, HOME=str(home), XDG_CACHE_HOME=str(home)) as server:
        assert server.predict(b"[[1, 2]]").status == 200
        assert "onnxruntime" in Path(f"/proc/{server.server_pid}/maps").read_text()
        assert server.stop() == 0
    assert list(home.iterdir()) == []


def test_a_skops_file_with_unknown_types_is_refused_naming_them(tmp_path: Path) -> None:
    root = tmp_path / "untrusted"
    root.mkdir()
    skops.io.dump(FunctionTransformer(_double), root / "model.skops")
    with started(root, described(root, runtime="sklearn", weights="model.skops")) as server:
        assert server.wait() == 1
        assert "_double" in server.log


def _double(values: object) -> object:
    return values
