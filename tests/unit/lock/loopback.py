"""A small HTTP server on the loopback that does wrong what a test tells it to."""

import base64
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """What happens to one request in place of the right answer."""

    status: int | None = None
    """Answer with this status and no body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    """Close the connection after so many bytes of the body."""
    stall_at: int | None = None
    """Fall silent after so many bytes, until the server ends."""
    drip_bytes_per_s: int | None = None
    """Send the body so slowly, until the server ends."""
    body: bytes | None = None
    """Answer with other bytes."""


@dataclass
class Request:
    path: str
    headers: dict[str, str]


class Loopback:
    """Files by path; `faults` are used up one request at a time, then all is well."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.faults: dict[str, deque[Fault]] = {}
        self.logins: dict[str, str] = {}
        """Path prefix -> the `user:password` it asks for."""
        self.requests: list[Request] = []
        self.ending = threading.Event()
        self.url = ""

    def fail(self, path: str, *faults: Fault) -> None:
        self.faults[path] = deque(faults)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def page(self, path: str, links: Mapping[str, str]) -> None:
        """A page of links: text -> address."""
        anchors = "".join(f'<a href="{href}">{text}</a>\n' for text, href in links.items())
        self.files[path] = f"<!DOCTYPE html><html><body>{anchors}</body></html>".encode()
        self.types[path] = "text/html"


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Loopback]:
    """Run a server; `certificate` is a PEM file with key and chain, for TLS."""
    content = Loopback()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, content)

        def do_HEAD(self) -> None:
            body = content.files.get(self.path)
            _send(self, 404 if body is None else 200, body or b"", {})

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # clients that give up are part of the tests

    server = Quiet(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        scheme = "https"
    content.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield content
    finally:
        content.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, content: Loopback) -> None:
    path = handler.path
    content.requests.append(Request(path, dict(handler.headers.items())))
    for prefix, login in content.logins.items():
        expected = "Basic " + base64.b64encode(login.encode()).decode()
        if path.startswith(prefix) and handler.headers.get("Authorization") != expected:
            _send(handler, 401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
            return
    queue = content.faults.get(path)
    fault = queue.popleft() if queue else Fault()
    if fault.status is not None:
        _send(handler, fault.status, b"", dict(fault.headers))
        return
    body = content.files.get(path) if fault.body is None else fault.body
    if body is None:
        _send(handler, 404, b"", {})
        return
    headers = {"Content-Type": content.types.get(path, "application/octet-stream")}
    headers["ETag"] = f'"{hash(body):x}"'
    if handler.headers.get("If-None-Match") == headers["ETag"]:
        _send(handler, 304, b"", headers)
        return
    status, start = 200, 0
    wanted = handler.headers.get("Range", "")
    if wanted.startswith("bytes=") and wanted.endswith("-"):
        start = int(wanted[6:-1])
        if start >= len(body):
            _send(handler, 416, b"", {})
            return
        status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
    rest = body[start:]
    if fault.drip_bytes_per_s is not None:
        _send(handler, status, b"", headers | {"Content-Length": str(len(rest))})
        _drip(handler, rest, fault.drip_bytes_per_s, content.ending)
        return
    stop = fault.cut_at if fault.cut_at is not None else fault.stall_at
    if stop is None:
        _send(handler, status, rest, headers)
        return
    _send(handler, status, rest[:stop], headers | {"Content-Length": str(len(rest))})
    handler.wfile.flush()
    if fault.stall_at is not None:
        content.ending.wait(20)
    handler.close_connection = True


def _drip(
    handler: BaseHTTPRequestHandler, body: bytes, bytes_per_s: int, ending: threading.Event
) -> None:
    step = max(1, bytes_per_s // 10)
    for start in range(0, len(body), step):
        handler.wfile.write(body[start : start + step])
        handler.wfile.flush()
        if ending.wait(0.1):
            return


def _send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
