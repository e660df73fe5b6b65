"""A prediction comes back as it was given, is asked for again only where that is safe, and ends."""

import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from shipmark.client import Client, predict
from shipmark.client.connection import ConnectionRefused
from shipmark.errors import ServeError
from shipmark_serve.contract import errors
from tests.unit.client.scripted import problem, reply, scripted


def test_what_is_asked_and_what_is_answered() -> None:
    with scripted(reply(body=b'{"label": [7]}')) as server:
        answer = predict(server.url, {"image": [[0.5, 1]]})

    (seen,) = server.seen
    assert (seen.target, seen.body) == ("/predict", b'{"image":[[0.5,1]]}')
    assert seen.headers["content-type"] == "application/json"
    assert server.url == f"http://{seen.headers['host']}"
    assert answer.value == {"label": [7]}
    assert answer.body == b'{"label": [7]}'
    assert answer.request_id == seen.headers["x-request-id"]
    assert 0 < answer.duration_s < 5


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        ("application/json; charset=utf-8", b"[1, null]", [1, None]),
        ("application/geo+json", b"{}", {}),
        ("text/plain; charset=utf-8", "grüß".encode(), "grüß"),
        ("text/plain; charset=latin-1", "grüß".encode("latin-1"), "grüß"),
        ("image/png", b"\x89PNG", b"\x89PNG"),
        ("text/plain", b"", ""),
    ],
)
def test_answer_by_its_media_type(kind: str, body: bytes, value: object) -> None:
    with scripted(reply(body=body, kind=kind)) as server:
        assert predict(server.url, "x").value == value


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[" * 100_000),
        ("text/plain", b"\xff"),
        ("text/plain; charset=klingon", b"x"),
    ],
)
def test_answer_that_is_not_what_it_says(kind: str, body: bytes) -> None:
    with scripted(reply(body=body, kind=kind)) as server, pytest.raises(ServeError, match="is not"):
        predict(server.url, "x")


def test_requests_share_a_connection() -> None:
    with scripted(reply()) as server, Client(server.url) as client:
        for _ in range(3):
            client.predict("x")

    assert [seen.connection for seen in server.seen] == [1, 1, 1]


def test_a_connection_that_the_server_has_closed_is_made_again() -> None:
    def last(connection: socket.socket) -> None:
        connection.sendall(reply())

    with scripted(last) as server, Client(server.url) as client:
        client.predict("x")
        time.sleep(0.05)
        client.predict("x")

    assert [seen.connection for seen in server.seen] == [1, 2]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "invalid-input", errors.InvalidInput),
        ("413 Content Too Large", "body-too-large", errors.BodyTooLarge),
        ("415 Unsupported Media Type", "unsupported-media-type", errors.UnsupportedMediaType),
        ("408 Request Timeout", "request-timeout", errors.RequestTimeout),
        ("429 Too Many Requests", "overloaded", errors.Overloaded),
        ("500 Internal Server Error", "predict-failed", errors.PredictFailed),
        ("504 Gateway Timeout", "deadline-exceeded", errors.DeadlineExceeded),
        ("422 Unprocessable Content", "", errors.InvalidInput),
        ("404 Not Found", "not-found", ServeError),
        ("500 Internal Server Error", "internal", ServeError),
    ],
)
def test_a_refusal_is_told_at_once(status: str, code: str, kind: type[ServeError]) -> None:
    said = problem(status, "X-Request-ID: abc", detail="at $[0]: no", code=code, hint="mend it")
    with scripted(said) as server, pytest.raises(ServeError) as caught:
        predict(server.url, "x", retries=5)

    assert len(server.seen) == 1
    assert type(caught.value) is kind
    assert caught.value.message == f"the server answered {status}: at $[0]: no (request abc)"
    assert caught.value.hint == "mend it"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (reply("404 Not Found", b"<html>", kind="text/html"), "404 Not Found (request"),
        (reply("403 Forbidden", b"no\n", kind="text/plain"), "403 Forbidden: no (request"),
        (reply("400 Bad Request", b"[]"), "400 Bad Request (request"),
        (reply("302 Found", b"", "Location: http://else/"), "302 Found: it is at http://else/ now"),
        (problem("400 Bad Request", detail="\x1b[31mred"), "400 Bad Request: �[31mred"),
        (problem("400 Bad Request", detail="x" * 10_000), "..."),
        (reply("400 Bad Request", b"", "X-Request-ID: \x07bell"), "400 Bad Request (request "),
    ],
)
def test_refusals_of_other_servers(said: bytes, words: str) -> None:
    with scripted(said) as server, pytest.raises(ServeError) as caught:
        predict(server.url, "x")

    assert words in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 2500


@pytest.mark.parametrize(
    "busy",
    [
        problem("503 Service Unavailable", code="not-ready"),
        problem("503 Service Unavailable", "Retry-After: 0"),
        problem("429 Too Many Requests", "Retry-After: 0", code="overloaded"),
    ],
)
def test_asked_again_until_there_is_room(busy: bytes) -> None:
    with scripted(busy, busy, reply(body=b"1")) as server:
        assert predict(server.url, "x").value == 1

    assert len({seen.headers["x-request-id"] for seen in server.seen}) == 1
    assert len(server.seen) == 3


def test_retries_come_to_an_end() -> None:
    busy = problem("503 Service Unavailable", detail="loading", code="not-ready")
    with scripted(busy) as server, pytest.raises(errors.NotReady, match="loading"):
        predict(server.url, "x", retries=1)

    assert len(server.seen) == 2


@pytest.mark.parametrize("after", ["", "Retry-After: Sat, 01 Jan 2028 00:00:00 GMT"])
def test_busy_without_saying_how_long_is_not_asked_again(after: str) -> None:
    with (
        scripted(problem("429 Too Many Requests", *([after] if after else []))) as server,
        pytest.raises(errors.Overloaded),
    ):
        predict(server.url, "x")

    assert len(server.seen) == 1


def test_a_wait_that_there_is_no_time_for_is_not_begun() -> None:
    busy = problem("503 Service Unavailable", "Retry-After: 60", code="not-ready")
    begun = time.monotonic()
    with scripted(busy) as server, pytest.raises(errors.NotReady):
        predict(server.url, "x", timeout_s=5)

    assert time.monotonic() - begun < 2


def test_the_server_says_how_long_to_wait() -> None:
    busy = problem("503 Service Unavailable", "Retry-After: 1", code="not-ready")
    with scripted(busy, reply()) as server:
        assert predict(server.url, "x").duration_s >= 1


def test_a_server_that_is_about_to_listen_is_waited_for() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Timer(0.15, listener.listen).start()
        with scripted(reply(body=b"1"), listener=listener):
            assert predict(url, "x").value == 1


def test_nothing_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(ConnectionRefused, match=f"nothing listens at {url}/predict"):
            predict(url, "x", retries=0)


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b"x")
        time.sleep(0.02)


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1000):
        connection.sendall(b"x")
        time.sleep(0.02)


def silence(connection: socket.socket) -> None:
    connection.settimeout(5)
    connection.recv(1)


@pytest.mark.parametrize("slow", [drip, drip_headers, silence])
def test_the_deadline_is_that_of_the_whole_call(slow: object) -> None:
    assert callable(slow)
    begun = time.monotonic()
    with scripted(slow) as server:
        with pytest.raises(errors.DeadlineExceeded) as caught:
            predict(server.url, "x", timeout_s=0.3)
        assert 0.25 < time.monotonic() - begun < 1

    assert len(server.seen) == 1
    request_id = server.seen[0].headers["x-request-id"]
    assert caught.value.message == (
        f"{server.url}/predict did not answer within 0.3 s (request {request_id})"
    )


def test_a_server_that_never_reads() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(errors.DeadlineExceeded):
            predict(url, bytes(50_000_000), timeout_s=0.3)


def test_an_answer_without_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3\r\nxxx\r\n" * 1000
    with (
        scripted(endless) as server,
        Client(server.url, max_answer_bytes=100) as client,
        pytest.raises(ServeError, match="answered more than 100 bytes"),
    ):
        client.predict("x")


def test_too_large_is_told_before_the_body_is_read() -> None:
    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(problem("413 Content Too Large", detail="too long"))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        with pytest.raises(errors.BodyTooLarge, match="too long"):
            predict(f"http://127.0.0.1:{listener.getsockname()[1]}", bytes(30_000_000))
        thread.join()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not whole HTTP: BadStatusLine"),
        (reply(body=b"1234567890")[:-5], "is not whole HTTP: IncompleteRead"),
        (reply(body=b"1")[:-1], "is not whole HTTP: IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200, "is not whole HTTP: HTTPException"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000, "is not whole HTTP: LineTooLong"),
        (b"", "hung up without an answer"),
    ],
)
def test_what_is_not_http(said: bytes, words: str) -> None:
    def say(connection: socket.socket) -> None:
        connection.sendall(said)

    with scripted(say) as server, pytest.raises(ServeError, match=words):
        predict(server.url, "x")

    assert len(server.seen) == 1, "it may have predicted; asking again would ask twice"


def test_a_host_that_does_not_exist() -> None:
    with pytest.raises(ServeError, match=r"there is no host nowhere\.invalid"):
        predict("http://nowhere.invalid", "x", retries=0)


@pytest.mark.needs("openssl")
def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.lock.loopback import serving

    certificate = tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", certificate, "-out", tmp_path / "public.pem"),
        ],
        check=True,
        capture_output=True,
    )
    with certificate.open("ab") as whole:
        whole.write((tmp_path / "public.pem").read_bytes())

    with serving(certificate) as server:
        with pytest.raises(ServeError, match="self-signed certificate") as caught:
            predict(server.url, "x")
        assert "SSL_CERT_FILE" in caught.value.hint

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "public.pem"))
        with pytest.raises(ServeError, match="answered 501"):
            predict(server.url, "x", timeout_s=5)

        with pytest.raises(ServeError, match=r"hung up|whole HTTP"):
            predict(server.url.replace("https", "http"), "x")


def test_https_where_http_is_spoken() -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(reply("400 Bad Request"))
            connection.recv(1 << 20)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        with pytest.raises(ServeError, match="no safe connection"):
            predict(f"https://127.0.0.1:{listener.getsockname()[1]}", "x", timeout_s=2)
        thread.join()
