"""Shows that every runtime behaves alike over HTTP, for right requests and for wrong ones."""

import http.client
import math
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contracts.runtimes.serving import Answer, Server

PROBLEM = "application/problem+json"


def refused(answer: Answer, status: int, code: str) -> str:
    """Check a problem document; its detail."""
    assert answer.status == status
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["title"] == http.client.responses[status]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.body.decode()
    detail: str = problem["detail"]
    return detail


def rows_of(answer: Answer) -> int:
    """How many rows the answer has."""
    assert answer.status == 200, answer.body
    value = answer.json
    return len(value if isinstance(value, list) else value["label"])


def test_health(runtime_server: Server) -> None:
    for path, state in (
        ("/health", "ready"),
        ("/health/live", "ready"),
        ("/health/ready", "ready"),
    ):
        answer = runtime_server.request("GET", path)
        assert answer.status == 200
        assert answer.json["state"] == state
        assert answer.json["version"] == "1.0"
        assert answer.json["uptime_s"] > 0
        head = runtime_server.request("HEAD", path)
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("body", [b'{"features": [[1, 0], [0, 1]]}', b"[[1.0, 0], [0, 1]]"])
def test_rows_come_back_in_order(runtime_server: Server, body: bytes) -> None:
    answer = runtime_server.predict(body)
    assert answer.headers["content-type"] == "application/json"
    assert rows_of(answer) == 2
    value = answer.json
    if isinstance(value, dict):
        assert value["label"] == ["left", "right"]
        assert all(math.isclose(sum(row), 1, rel_tol=1e-5) for row in value["probabilities"])
    else:
        assert value == [1, 1]


def test_no_rows_give_no_answers(runtime_server: Server) -> None:
    assert rows_of(runtime_server.predict(b"[]")) == 0


def test_callers_do_not_mix(runtime_server: Server) -> None:
    def ask(number: int) -> bool:
        rows = 1 + number % 7
        features = [[number, 0] if number % 2 else [0, number + 1]] * rows
        answer = runtime_server.predict(str(features).encode(), X_Request_Id=f"caller-{number}")
        assert answer.headers["x-request-id"] == f"caller-{number}"
        value = answer.json
        if isinstance(value, list):
            return bool(value == [number + 1 - number % 2] * rows)
        return bool(value["label"] == ["left" if number % 2 else "right"] * rows)

    with ThreadPoolExecutor(8) as callers:
        assert all(callers.map(ask, range(200)))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"features": [[1, "a"]]}', "at $.features[0][1]: expected float, got str"),
        (b"[[1, 2, 3]]", "at $[0]"),
        (b"[1, 2]", "at $[0]: expected array"),
        (b'{"feature": [[1, 2]]}', "unknown field feature"),
        (b"{}", "missing required field features"),
        (b"[[NaN, 1]]", "not JSON"),
        (b"[[Infinity, 1]]", "not JSON"),
        (b"[[1e999, 1]]", "at $[0][0]"),
        (b"not json", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_wrong_input_is_refused_with_its_place(
    runtime_server: Server, body: bytes, said: str
) -> None:
    assert said in refused(runtime_server.predict(body), 400, "invalid-input")


def test_another_media_type_is_refused(runtime_server: Server) -> None:
    for media_type in ("text/csv", "application/json; charset=utf-16"):
        answer = runtime_server.predict(b"[[1, 2]]", media_type)
        refused(answer, 415, "unsupported-media-type")


def test_a_request_that_says_nothing_of_its_type_is_json(runtime_server: Server) -> None:
    assert rows_of(runtime_server.predict(b"[[1, 2]]", "")) == 1


def test_a_body_that_is_too_large_is_refused(runtime_server: Server) -> None:
    said = refused(runtime_server.predict(b" " * 100_001), 413, "body-too-large")
    assert "100000 bytes" in said
    assert rows_of(runtime_server.predict(b"[[1, 2]]".ljust(100_000))) == 1


def test_a_chunked_body_is_counted_while_it_comes(runtime_server: Server) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        yield b"[[1, 2]]"
        for _ in range(count):
            yield b" " * 1000

    assert rows_of(runtime_server.request("POST", "/predict", chunks(50))) == 1
    refused(runtime_server.request("POST", "/predict", chunks(200)), 413, "body-too-large")


def test_a_body_that_is_announced_too_large_is_not_waited_for(runtime_server: Server) -> None:
    with socket.create_connection(("127.0.0.1", runtime_server.port), timeout=10) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


def test_unknown_routes_and_methods(runtime_server: Server) -> None:
    said = refused(runtime_server.request("GET", "/predictt"), 404, "not-found")
    assert "/predictt" in said
    answer = runtime_server.request("GET", "/predict")
    refused(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"
    answer = runtime_server.request("POST", "/health", b"")
    refused(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD"


def test_request_ids_are_made_where_none_is_fit(runtime_server: Server) -> None:
    made = {runtime_server.request("GET", "/health").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    for unfit in ("a b", "x" * 129):
        answer = runtime_server.request("GET", "/health", headers={"X-Request-Id": unfit})
        assert answer.headers["x-request-id"] != unfit


def test_one_connection_carries_many_requests(runtime_server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", runtime_server.port, timeout=10)
    for body, status in (
        (b"[[1, 2]]", 200),
        (b"[[", 400),
        (b" " * 100_001, 413),
        (b"[[1, 2]]", 200),
    ):
        connection.request("POST", "/predict", body)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def test_a_client_that_hangs_up_harms_nobody(runtime_server: Server) -> None:
    for head in (
        b"",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n[[1",
        b"\x00\xff",
    ):
        with socket.create_connection(("127.0.0.1", runtime_server.port)) as client:
            client.sendall(head)
    time.sleep(0.1)
    assert rows_of(runtime_server.predict(b"[[1, 2]]")) == 1
    assert "Traceback" not in runtime_server.log
