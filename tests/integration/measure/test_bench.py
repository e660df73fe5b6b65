"""`shipmark bench` as a user calls it: figures, a page, and no load on strangers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipmark.cli.bench import command
from shipmark.errors import ServeError, ShipmarkError

METADATA = {"name": "iris", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]}


class Model(BaseHTTPRequestHandler):
    """A model that remembers what it was asked."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    asked: list[tuple[str, str | None, bytes]]

    def do_GET(self) -> None:
        known = {"/health": {"name": "iris"}, "/v2/models/iris": METADATA}
        self._answer(200 if self.path in known else 404, known.get(self.path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append((self.path, self.headers["authorization"], body))
        self._answer(400 if b"bad" in body else 200, {"detail": "that is bad"})

    def _answer(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def asked() -> list[tuple[str, str | None, bytes]]:
    return []


@pytest.fixture
def url(asked: list[tuple[str, str | None, bytes]]) -> Iterator[str]:
    handler = type("Handler", (Model,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def bench(url: str, *arguments: str) -> Result:
    few = ["--rate", "40", "--duration", "0.5", "--timeout", "5"]
    return CliRunner().invoke(command, [url, *few, *arguments])


def test_figures_as_text_and_as_a_document(url: str) -> None:
    said = bench(url, "--input", "hello")
    document = json.loads(bench(url, "--input", "hello", "--json").stdout)

    assert "latency" in said.stdout
    assert "p99.9" in said.stdout
    assert document["target"] == f"{url}/predict"
    assert document["due"] == document["answered"] > 0
    assert document["page"] is None


def test_the_exit_code_says_whether_to_believe_it(url: str) -> None:
    done = bench(url, "--input", "hello", "--connections", "1", "--rate", "5000", "--json")

    assert not json.loads(done.stdout)["valid"]
    assert done.exit_code == 1


def test_a_page_is_written(url: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    bench(url, "--input", "hello", "--output", str(page))

    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [page]

    said = bench(url, "--input", "hello", "--output", str(tmp_path / "none" / "page.html"))
    assert isinstance(said.exception, ShipmarkError)


def test_the_token_is_sent_and_shown_nowhere(
    url: str, asked: list[tuple[str, str | None, bytes]], tmp_path: Path
) -> None:
    token, page = tmp_path / "token", tmp_path / "page.html"
    token.write_text("s3cr3t-t0k3n\n")
    done = bench(url, "--input", "x", "--token-file", str(token), "--output", str(page), "--json")

    assert {authorization for _, authorization, _ in asked} == {"Bearer s3cr3t-t0k3n"}
    assert "s3cr3t" not in done.output + page.read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "two words", "one\r\nX-Evil: 1", "gr\u00f6\u00dfer"])
def test_a_token_that_no_header_holds_is_refused(url: str, tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content, encoding="utf-8")
    done = bench(url, "--input", "x", "--token-file", str(token))

    assert isinstance(done.exception, ShipmarkError)
    assert not content or content not in str(done.exception)


def test_v2_asks_the_same_of_the_infer_route(
    url: str, asked: list[tuple[str, str | None, bytes]], tmp_path: Path
) -> None:
    given = tmp_path / "request.json"
    given.write_text("[[1, 2]]")
    bench(url, "--input", f"@{given}", "--route", "v2")

    ((path, _, body),) = set(asked)
    assert path == "/v2/models/iris/infer"
    assert json.loads(body)["inputs"][0]["shape"] == [1, 2]


def test_another_path_is_asked_as_it_stands(
    url: str, asked: list[tuple[str, str | None, bytes]]
) -> None:
    bench(url, "--input", "x", "--route", "/invocations?a=1")

    assert {path for path, _, _ in asked} == {"/invocations?a=1"}


def test_wrong_requests_are_asked_once_and_no_more(
    url: str, asked: list[tuple[str, str | None, bytes]]
) -> None:
    done = bench(url, "--input", "bad")

    assert isinstance(done.exception, ServeError)
    assert "that is bad" in str(done.exception)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "where", ["http://192.0.2.7:8080", "http://[2001:db8::1]:80", "http://0.0.0.0:8080"]
)
def test_another_machine_is_not_asked_at_all(where: str) -> None:
    done = bench(where, "--input", "x")

    assert isinstance(done.exception, ShipmarkError)
    assert "--allow-remote" in done.exception.hint


def test_tls_is_refused_with_the_reason() -> None:
    done = bench("https://127.0.0.1:1", "--input", "x")

    assert "not plain HTTP" in str(done.exception)


def test_nobody_there(silent_port: int) -> None:
    done = bench(f"http://127.0.0.1:{silent_port}", "--input", "x")

    assert isinstance(done.exception, ServeError)
