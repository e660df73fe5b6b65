"""A real server process for the tests of the data plane, started as an image starts it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from shipmark_serve.contract.model import Model

SOURCE = Path(__file__).parents[3] / "src"
READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Server:
    """The watchdog and, below it, the server."""

    def __init__(self, root: Path, model: Model, env: Mapping[str, str]) -> None:
        description = root.parent / f"{root.name}.model.json"
        description.write_bytes(msgspec.json.encode(model))
        self._log = root.parent / f"{root.name}.log"
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        with listener, self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", "shipmark_serve"],
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(SOURCE),
                    "SHIPMARK_MODEL": str(description),
                    "SHIPMARK_ROOT": str(root),
                    "SHIPMARK_LISTEN_FD": str(listener.fileno()),
                    **env,
                },
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def server_pid(self) -> int:
        """The server's process, which is the watchdog's first child."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            found = {key.lower(): value for key, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def predict(self, body: bytes, media_type: str = "application/json", **headers: str) -> Answer:
        given = {"Content-Type": media_type} if media_type else {}
        given |= {key.replace("_", "-"): value for key, value in headers.items()}
        return self.request("POST", "/predict", body, given)

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/health/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_until_ready(self) -> None:
        self.wait_for(self.is_ready)

    def wait_for(self, condition: Any, within_s: float = READY_WITHIN_S) -> None:
        end = time.monotonic() + within_s
        while not condition():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    def wait(self, within_s: float = READY_WITHIN_S) -> int:
        return self.process.wait(within_s)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def end(self) -> None:
        """Leave no process behind, whatever the test did."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                server = self.server_pid
                self.process.kill()
                os.kill(server, signal.SIGKILL)
                self.process.wait()


@contextmanager
def started(root: Path, model: Model, **env: str) -> Iterator[Server]:
    """Start a server; it need not become ready."""
    server = Server(root, model, env)
    try:
        yield server
    finally:
        server.end()


@contextmanager
def serving(root: Path, model: Model, **env: str) -> Iterator[Server]:
    """Start a server and wait until it is ready."""
    with started(root, model, **env) as server:
        server.wait_until_ready()
        yield server


def python_package(root: Path, code: str, *golden: object, **fields: Any) -> Model:
    """Write a package of one `model.py`; its golden records go to one file."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "model.py").write_text(code)
    fields = {"runtime": "python", "entry": "model.py", **fields}
    return described(root, *golden, **fields)


def described(root: Path, *golden: object, **fields: Any) -> Model:
    """The description of a package below `root`."""
    if golden:
        (root / "golden").mkdir(exist_ok=True)
        (root / "golden" / "records.json").write_bytes(msgspec.json.encode(golden))
        fields["golden"] = ("golden/records.json",)
    return Model(name=root.name, version="1.0", code_digest="sha256:" + "0" * 64, **fields)
