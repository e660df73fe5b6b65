"""Loopback servers whose date and certificate a test chooses."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


@contextmanager
def telling(date: str, certificate: Path | None = None) -> Iterator[str]:
    """A server that answers 404 with this `Date`; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)

        def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - its own
            return date

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path, *, days: int = 2, host: str = "IP:127.0.0.1") -> Path:
    """A PEM file with a key and a certificate that signs itself; expired where `days` is -1."""
    key, request, extensions = folder / "key.pem", folder / "request.pem", folder / "extensions"
    chain, both = folder / "ca.pem", folder / "both.pem"
    extensions.write_text(f"subjectAltName={host}\nbasicConstraints=critical,CA:TRUE\n")
    named = ("-nodes", "-subj", f"/CN={folder.name}", "-keyout", key)
    valid = ("-days", str(days), "-extfile", extensions)
    for command in (
        ("req", "-newkey", "rsa:2048", *named, "-out", request),
        ("x509", "-req", "-in", request, "-signkey", key, *valid, "-out", chain),
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + chain.read_bytes())
    return both
