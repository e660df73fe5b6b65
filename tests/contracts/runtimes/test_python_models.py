"""Shows what a model.py may be, and that nothing it does wrong reaches a caller as an answer."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contracts.runtimes.serving import python_package, serving, started

TEMPERAMENTAL = """
import os, sys, time

def predict(text: str) -> str:
    print("asked:", text)
    if text == "raise":
        raise ValueError("the secret is 42")
    if text == "stop":
        raise StopIteration
    if text == "timeout":
        raise TimeoutError
    if text == "exit":
        sys.exit(3)
    if text == "number":
        return 7
    if text.startswith("sleep"):
        time.sleep(float(text.split()[1]))
    if text == "spin":
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            pass
    return text.upper()
"""


def test_text_in_both_media_types(tmp_path: Path) -> None:
    model = python_package(tmp_path / "upper", "def predict(text): return text.upper()")
    with serving(tmp_path / "upper", model) as server:
        plain = server.predict("straße".encode(), "text/plain; charset=utf-8")
        assert plain.body.decode() == "STRASSE"
        assert plain.headers["content-type"] == "text/plain; charset=utf-8"
        assert server.predict(b'"a"').body == b'"A"'
        assert server.predict(b'{"a": 1}').json == '{"A": 1}'
        assert server.predict(b'"a"', Accept="text/plain").body == b"A"
        assert server.predict(b"a", "application/x-www-form-urlencoded").status == 415
        assert server.predict(b"\xff", "text/plain").status == 400


def test_what_goes_wrong_inside_predict_stays_inside(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", TEMPERAMENTAL)
    with serving(tmp_path / "model", model) as server:
        for text in ("raise", "stop", "timeout", "exit"):
            answer = server.predict(text.encode(), "text/plain", X_Request_Id=f"id-{text}")
            assert answer.status == 500
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json["code"] == "predict-failed"
            assert answer.json["request_id"] == f"id-{text}"
            assert "secret" not in answer.body.decode()
            assert "Traceback" not in answer.body.decode()
            assert f"ERROR [id-{text}] predict raised\nTraceback" in server.log
        assert "ValueError: the secret is 42" in server.log
        answer = server.predict(b"number", "text/plain")
        assert answer.status == 500
        assert "answered int, and the annotation says str" in answer.json["detail"]
        assert server.predict(b"fine", "text/plain").body == b"FINE"
        assert "asked: fine" in server.log  # while the server still runs
        assert server.stop() == 0


def test_deadline_queue_and_health_under_load(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", TEMPERAMENTAL)
    settings = {"SHIPMARK_TIMEOUT_S": "1", "SHIPMARK_QUEUE_LIMIT": "2"}
    with serving(tmp_path / "model", model, **settings) as server:
        with ThreadPoolExecutor(8) as callers:
            asked = [callers.submit(server.predict, b"sleep 1.5", "text/plain") for _ in range(6)]
            time.sleep(0.3)
            began = time.monotonic()
            assert server.is_ready()
            assert time.monotonic() - began < 0.3
            answers = [future.result() for future in asked]
        by_status = sorted(answer.status for answer in answers)
        assert by_status == [429, 429, 429, 504, 504, 504]
        overloaded = next(answer for answer in answers if answer.status == 429)
        assert overloaded.headers["retry-after"] == "1"
        assert overloaded.json["code"] == "overloaded"
        server.wait_for(lambda: server.predict(b"again", "text/plain").status == 200)
        # What had not begun at its deadline never did.
        assert server.log.count("asked: sleep 1.5") == 1


def test_health_answers_while_a_model_holds_the_interpreter(tmp_path: Path) -> None:
    model = python_package(tmp_path / "model", TEMPERAMENTAL)
    with serving(tmp_path / "model", model) as server, ThreadPoolExecutor(1) as callers:
        asked = callers.submit(server.predict, b"spin", "text/plain")
        time.sleep(0.2)
        for _ in range(5):
            began = time.monotonic()
            assert server.is_ready()
            assert time.monotonic() - began < 0.5
        assert asked.result().body == b"SPIN"


def test_a_slow_body_is_given_up(tmp_path: Path) -> None:
    import socket

    model = python_package(tmp_path / "model", TEMPERAMENTAL)
    with (
        serving(tmp_path / "model", model, SHIPMARK_TIMEOUT_S="0.3") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as client,
    ):
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"request-timeout" in answer


DATACLASSES = """
from dataclasses import dataclass
from typing import TypedDict

@dataclass
class Question:
    words: list[str]
    top: int = 1

class Reply(TypedDict):
    longest: list[str]
    mean: float

def predict(question: Question) -> Reply:
    words = sorted(question.words, key=len, reverse=True)
    mean = sum(map(len, words)) / len(words) if words else float("nan")
    return {"longest": words[: question.top], "mean": mean}
"""


def test_dataclasses(tmp_path: Path) -> None:
    record = {"input": {"words": ["a", "bb"]}, "output": {"longest": ["bb"], "mean": 1.5}}
    model = python_package(tmp_path / "model", DATACLASSES, record)
    with serving(tmp_path / "model", model) as server:
        answer = server.predict(b'{"words": ["a", "bbb"], "top": 2}')
        assert answer.json == {"longest": ["bbb", "a"], "mean": 2.0}
        answer = server.predict(b'{"words": ["a", 1]}')
        assert answer.status == 400
        assert answer.json["detail"] == "at $.words[1]: expected str, got int"
        answer = server.predict(b'{"words": []}')
        assert answer.status == 500
        assert "nan at $.mean" in answer.json["detail"]


def test_bytes(tmp_path: Path) -> None:
    code = "def predict(data: bytes) -> bytes: return data[::-1]"
    record = {"input": {"base64": "AAEC"}, "output": {"base64": "AgEA"}}
    model = python_package(tmp_path / "model", code, record)
    with serving(tmp_path / "model", model) as server:
        answer = server.predict(bytes(range(256)), "image/png")
        assert answer.body == bytes(reversed(range(256)))
        assert answer.headers["content-type"] == "application/octet-stream"


def test_a_package_with_modules_and_weights(tmp_path: Path) -> None:
    root = tmp_path / "package"
    (root / "src").mkdir(parents=True)
    (root / "weights").mkdir()
    (root / "weights" / "word.txt").write_text("moin")
    (root / "beside_root.py").write_text("MARK = '!'")
    (root / "src" / "beside_entry.py").write_text("def join(*parts): return ' '.join(parts)")
    (root / "src" / "entry.py").write_text(
        "import os, pathlib\n"
        "from beside_root import MARK\n"
        "from beside_entry import join\n"
        "def init():\n"
        "    global word\n"
        "    word = (pathlib.Path(os.environ['MODEL_PATH']) / 'word.txt').read_text()\n"
        "    assert pathlib.Path('weights').is_dir()\n"
        "def predict(name): return join(word, name + MARK)\n"
    )
    model = python_package(root, "", entry="src/entry.py", weights="weights")
    with serving(root, model) as server:
        assert server.predict(b"Anna", "text/plain").body == b"moin Anna!"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "word.txt").write_text("servus")
    with serving(root, model, MODEL_PATH=str(tmp_path / "other")) as server:
        assert server.predict(b"Anna", "text/plain").body == b"servus Anna!"


def test_an_array_that_is_used_again_is_not_mixed_up(tmp_path: Path) -> None:
    code = """
from typing import Annotated
import numpy
from shipmark_serve import Tensor

buffer = numpy.zeros(2000, "int64")

def predict(x: Annotated[numpy.ndarray, Tensor("int64", (1,))]
            ) -> Annotated[numpy.ndarray, Tensor("int64", (2000,))]:
    buffer[:] = x[0]
    return buffer
"""
    model = python_package(tmp_path / "model", code)
    with serving(tmp_path / "model", model) as server, ThreadPoolExecutor(8) as callers:
        answers = callers.map(
            lambda n: (n, server.predict(json.dumps([n]).encode()).json), range(100)
        )
        assert all(answer == [n] * 2000 for n, answer in answers)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def init(): raise RuntimeError('no weights')\ndef predict(x): ...", "no weights"),
        ("import sys\ndef init(): sys.exit(0)\ndef predict(x): ...", "SystemExit"),
        ("import nothing_like_it\ndef predict(x): ...", "nothing_like_it"),
        ("def predict(x) return x", "SyntaxError"),
        ("def predict(x, y): ...", "exactly one required positional parameter"),
    ],
)
def test_what_cannot_be_loaded_ends_the_server_with_the_reason(
    tmp_path: Path, code: str, said: str
) -> None:
    with started(tmp_path / "model", python_package(tmp_path / "model", code)) as server:
        assert server.wait() == 1
        assert said in server.log
        assert "watchdog" not in server.log  # never ready, so not started again
        if "raise" in code:
            assert 'model.py", line 1, in init' in server.log
