"""Shows inference processes: the same answers, and one that crashes or hangs harms nobody else."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy
import pytest

from tests.contracts.runtimes.serving import Server, python_package, serving, started

MODEL = """
import os, time

def predict(text: str) -> str:
    if text == "crash":
        os._exit(9)
    if text == "hang":
        time.sleep(1000)
    if text == "raise":
        raise ValueError("the secret is 42")
    if text == "pid":
        time.sleep(0.05)
        return str(os.getpid())
    if text.startswith("spin"):
        end = time.perf_counter() + float(text.split()[1])
        while time.perf_counter() < end:
            pass
    return text.upper()
"""

ARRAYS = """
from typing import Annotated
import numpy
from shipmark_serve import Tensor
kept = []

def predict(x: Annotated[numpy.ndarray, Tensor("float32", (-1, 3))]
            ) -> Annotated[numpy.ndarray, Tensor("float32", (-1, 3))]:
    kept.append((x, x.copy()))
    x *= 2
    assert all((now == then * 2).all() for now, then in kept), "an input was written over"
    return x
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("processes") / "model"
    model = python_package(root, MODEL)
    env = {
        "SHIPMARK_PROCESSES": "2",
        "SHIPMARK_TIMEOUT_S": "3",
        "SHIPMARK_HEARTBEAT_TIMEOUT_S": "1",
    }
    with serving(root, model, **env) as server:
        yield server


def ask(server: Server, text: str) -> tuple[int, str]:
    answer = server.predict(text.encode(), "text/plain")
    return answer.status, answer.body.decode()


def pids(server: Server) -> set[str]:
    with ThreadPoolExecutor(8) as callers:
        return {ask(server, "pid")[1] for _ in callers.map(lambda _: None, range(2))} | {
            body for _, body in callers.map(lambda _: ask(server, "pid"), range(16))
        }


def test_it_is_printed(two: Server) -> None:
    assert "inference processes 2 of" in two.log


def test_they_share_the_work(two: Server) -> None:
    found = pids(two)
    assert len(found) == 2
    assert str(two.server_pid) not in found


def test_answers_are_those_of_a_thread(two: Server) -> None:
    assert ask(two, "a") == (200, "A")
    assert two.predict(b'"a"').body == b'"A"'
    tensor = {"name": "input", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}
    body = msgspec.json.encode({"inputs": [tensor], "id": "7"})
    answer = two.request("POST", "/v2/models/model/infer", body).json
    assert (answer["id"], answer["outputs"][0]["data"]) == ("7", ["A", "B"])
    answer = two.predict(b"{", "application/json")
    assert (answer.status, answer.json["code"]) == (400, "invalid-input")
    assert two.predict(b"a", "image/png").status == 415
    answer = two.predict(b"raise", "text/plain", X_Request_Id="id-raise")
    assert (answer.status, answer.json["code"]) == (500, "predict-failed")
    assert "secret" not in answer.body.decode()
    assert "ERROR [id-raise] predict raised\nTraceback" in two.log


def test_callers_do_not_mix(two: Server) -> None:
    with ThreadPoolExecutor(8) as callers:
        texts = [f"text {number} " * (1 + number % 50 * 40) for number in range(200)]
        for text, (status, body) in zip(
            texts, callers.map(lambda text: ask(two, text), texts), strict=True
        ):
            assert (status, body) == (200, text.upper())


def test_one_that_crashes_is_replaced_and_the_others_go_on(two: Server) -> None:
    with ThreadPoolExecutor(2) as callers:
        other = callers.submit(ask, two, "spin 0.5")
        time.sleep(0.1)
        answer = two.predict(b"crash", "text/plain")
        assert (answer.status, answer.json["code"]) == (503, "not-ready")
        assert answer.headers["retry-after"]
        assert ask(two, "still here") == (200, "STILL HERE")
        assert two.is_ready()
        assert other.result() == (200, "SPIN 0.5")
    two.wait_for(lambda: len(pids(two)) == 2)
    assert "inference process" in two.log
    assert "ended with status 9" in two.log


def test_one_that_is_killed_while_idle_is_replaced(two: Server) -> None:
    before = pids(two)
    for pid in before:
        os.kill(int(pid), signal.SIGKILL)
    two.wait_for(lambda: ask(two, "again") == (200, "AGAIN"))
    two.wait_for(lambda: len(pids(two)) == 2)
    assert not before & pids(two)


def test_one_that_hangs_is_replaced(two: Server) -> None:
    answer = two.predict(b"hang", "text/plain", X_Request_Timeout="0.5")
    assert (answer.status, answer.json["code"]) == (504, "deadline-exceeded")
    assert ask(two, "meanwhile") == (200, "MEANWHILE")
    two.wait_for(lambda: "hangs past its deadline" in two.log)
    two.wait_for(lambda: len(pids(two)) == 2)


def test_health_is_quick_while_all_are_at_work(two: Server) -> None:
    with ThreadPoolExecutor(4) as callers:
        asked = [callers.submit(ask, two, "spin 0.4") for _ in range(4)]
        time.sleep(0.1)
        for _ in range(5):
            began = time.monotonic()
            assert two.is_ready()
            assert time.monotonic() - began < 0.2
        assert [future.result()[0] for future in asked] == [200] * 4


def test_tensors_go_through_shared_memory_and_stay_the_models(tmp_path: Path) -> None:
    model = python_package(tmp_path / "arrays", ARRAYS)
    with serving(tmp_path / "arrays", model, SHIPMARK_PROCESSES="1") as server:
        for rows in (1, 1000, 20_000, 10):
            x = numpy.arange(rows * 3, dtype="float32").reshape(rows, 3)
            data = x.tobytes()
            parameters = {"binary_data_size": len(data)}
            tensor = {"name": "x", "datatype": "FP32", "shape": [rows, 3], "parameters": parameters}
            asked = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
            body = msgspec.json.encode(asked)
            headers = {"Inference-Header-Content-Length": str(len(body))}
            answer = server.request("POST", "/v2/models/arrays/infer", body + data, headers)
            assert answer.status == 200, answer.body[:300]
            assert answer.body.endswith((x * 2).tobytes())


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", "def init(): 1 / 0\ndef predict(x): ...")
    with started(tmp_path / "model", model, SHIPMARK_PROCESSES="2") as server:
        assert server.wait() == 1
        assert "ZeroDivisionError" in server.log
        assert "watchdog" not in server.log


def test_drained_and_gone(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", MODEL)
    with (
        serving(tmp_path / "model", model, SHIPMARK_PROCESSES="2") as server,
        ThreadPoolExecutor(2) as callers,
    ):
        inference = pids(server)
        asked = [callers.submit(ask, server, "spin 0.5") for _ in range(2)]
        time.sleep(0.2)
        assert server.stop() == 0
        assert [future.result()[0] for future in asked] == [200, 200]
        for pid in inference:
            assert not Path(f"/proc/{pid}").exists()


def test_a_model_that_holds_the_lock_is_given_processes(tmp_path: Path) -> None:
    record = {"input": "spin 0.005", "output": "SPIN 0.005"}
    model = python_package(tmp_path / "model", MODEL, record)
    with serving(tmp_path / "model", model) as server:
        expected = (
            "inference processes" if len(os.sched_getaffinity(0)) > 1 else "inference threads"
        )
        assert expected in server.log
        assert ask(server, "a") == (200, "A")
    with serving(tmp_path / "model", model, SHIPMARK_PROCESSES="0") as server:
        assert "inference threads 1" in server.log
