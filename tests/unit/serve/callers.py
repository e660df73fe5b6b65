"""Callers on connections that are no sockets, and a model that tells rows apart, for any faults.

The server's own classes answer, all but the sockets: what a caller sends goes straight into its
connection, and what the connection writes is compared with what this caller, and nobody else, must
get.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import msgspec
import numpy
import uvicorn
from uvicorn.server import ServerState

from shipmark_serve.app import App
from shipmark_serve.contract.model import Model, ServeSettings
from shipmark_serve.contract.schema import Schema, Tensors, TensorSpec
from shipmark_serve.dispatch import Dispatcher
from shipmark_serve.endpoints.endpoints import endpoints_of
from shipmark_serve.health import Health
from shipmark_serve.lanes.loop import OnLoop
from shipmark_serve.lanes.threads import Threads
from shipmark_serve.lifecycle import OpenGuard, Unobserved
from shipmark_serve.predictor import Interface
from shipmark_serve.protocol import Connection
from shipmark_serve.response import Response
from shipmark_serve.servable import Servable
from shipmark_serve.service import Service
from shipmark_serve.settings import ServerSettings
from shipmark_serve.wire import Wire

POISON = -1.0
"""A row for which the model raises."""
SHORT = -2.0
"""A row which the model leaves out of its answer, where other requests are asked with it."""

Kind = Literal["v2", "binary", "predict"]
Fault = Literal["", "not json", "wrong shape", "poison", "short", "late", "unknown route"]
STATUS: dict[str, int] = {
    "": 200,
    "not json": 400,
    "wrong shape": 400,
    "poison": 500,
    "short": 200,
    "late": 504,
    "unknown route": 404,
}


class Adder:
    """x [-1, 2] to y [-1] = 1000 x0 + x1, unless a row says otherwise."""

    def __init__(self) -> None:
        tensors = (
            Tensors(tensors=(TensorSpec(name="x", datatype="FP64", shape=(-1, 2)),)),
            Tensors(tensors=(TensorSpec(name="y", datatype="FP64", shape=(-1,)),)),
        )
        schema = Schema(input=tensors[0], output=tensors[1])
        self.interface = Interface(schema=schema, rows=True)
        self.batches = 0

    def predict(self, value: Any) -> Any:
        x = value["x"]
        self.batches += 1
        if (x[:, 0] == POISON).any():
            raise ValueError("poison")
        y = x[:, 0] * 1000 + x[:, 1]
        alone = len(set(x[x[:, 0] != SHORT][:, 0])) < 2
        return {"y": y if alone else y[x[:, 0] != SHORT]}


class Transport(asyncio.Transport):
    """Where a connection writes to."""

    def __init__(self, caller: "Caller") -> None:
        super().__init__()
        self._caller = caller
        self._closing = False
        self.hung_up = False

    def write(self, data: Any) -> None:
        if not self.hung_up:
            assert not self._closing, "a connection wrote after it had closed"
            self._caller.hear(bytes(data))

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._caller.connection.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was sent, and what must come back."""

    number: int
    kind: Kind
    fault: Fault
    expected: list[float]


class Caller:
    """One connection, and what was asked on it."""

    def __init__(self, connect: Callable[["Caller"], Connection]) -> None:
        self.connection = connect(self)
        self.transport = Transport(self)
        self.connection.connection_made(self.transport)
        self.waiting: deque[Sent] = deque()
        self.answered = 0
        self.wrong: list[str] = []
        self._unsent = b""
        self._heard = b""

    @property
    def closed(self) -> bool:
        return self.transport.is_closing()

    def ask(self, sent: Sent, data: bytes) -> None:
        """Have a request to send."""
        self.waiting.append(sent)
        self._unsent += data

    def send(self, size: int | None = None) -> None:
        """Send so many bytes of what there is to send, or all of it."""
        data = self._unsent[:size]
        self._unsent = self._unsent[len(data) :]
        if data and not self.closed:
            self.connection.data_received(data)

    def hang_up(self) -> None:
        """Go, without waiting for any answer."""
        self.waiting.clear()
        self._unsent = b""
        self.transport.hung_up = True
        self.transport.close()

    def hear(self, data: bytes) -> None:
        """Take what was written, and compare each whole answer with the one that is due."""
        self._heard += data
        while True:
            head, found, rest = self._heard.partition(b"\r\n\r\n")
            if not found:
                return
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            length = int(fields[b"content-length"])
            if len(rest) < length:
                return
            self._heard = rest[length:]
            self._compare(int(head.split(b" ", 2)[1]), fields, rest[:length])

    def _compare(self, status: int, fields: dict[bytes, bytes], body: bytes) -> None:
        if not self.waiting:
            self.wrong.append(f"an answer that nobody asked for: {body!r}")
            return
        sent = self.waiting.popleft()
        self.answered += 1
        if fields[b"x-request-id"] != b"n%d" % sent.number:
            self.wrong.append(f"{sent}: the answer to {fields[b'x-request-id']!r}")
        elif status != STATUS[sent.fault]:
            self.wrong.append(f"{sent}: {status} {body!r}")
        elif status == 200 and _values(sent.kind, fields, body) != sent.expected:
            self.wrong.append(f"{sent}: {body!r}")


def _values(kind: Kind, fields: dict[bytes, bytes], body: bytes) -> list[float]:
    if kind == "binary":
        length = int(fields[b"inference-header-content-length"])
        tail = body[length:]
        return list(struct.unpack(f"<{len(tail) // 8}d", tail))
    answer = msgspec.json.decode(body)
    values: list[float] = answer["y"] if kind == "predict" else answer["outputs"][0]["data"]
    return values


def request(random: Random, number: int, fault: Fault) -> tuple[Sent, bytes]:
    """A request whose rows no other request has."""
    kind: Kind = random.choice(("v2", "v2", "binary", "predict"))
    rows = [[float(number), float(row)] for row in range(random.choice((1, 1, 1, 2, 3, 7)))]
    if fault in ("poison", "short"):
        row = random.choice(rows)
        row[0] = POISON if fault == "poison" else SHORT
    expected = [row[0] * 1000 + row[1] for row in rows]
    if fault == "wrong shape":
        rows = [[*row, 0.0] for row in rows]
    head = b"X-Request-Id: n%d\r\n" % number
    if fault == "late":
        head += b"X-Request-Timeout: 0.000000001\r\n"
    path = b"/predict" if kind == "predict" else b"/v2/models/adder/infer"
    if fault == "unknown route":
        path += b"/elsewhere"
    shape = [len(rows), len(rows[0])]
    tensor: dict[str, Any] = {"name": "x", "datatype": "FP64", "shape": shape}
    asked: dict[str, Any] = {"inputs": [tensor]}
    if kind == "binary":
        data = numpy.array(rows).tobytes()
        tensor["parameters"] = {"binary_data_size": len(data)}
        asked["parameters"] = {"binary_data_output": True}
        text = msgspec.json.encode(asked)
        head += b"Inference-Header-Content-Length: %d\r\n" % len(text)
        body = text + data
    elif kind == "v2":
        tensor["data"] = rows if random.random() < 0.3 else [cell for row in rows for cell in row]
        body = msgspec.json.encode(asked)
    else:
        body = msgspec.json.encode(rows)
    if fault == "not json":
        body = b"%" + body[1:]
    head += b"Content-Length: %d\r\n" % len(body)
    whole = b"POST %b HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (path, head, body)
    return Sent(number, kind, fault, expected), whole


class House:
    """A server without sockets."""

    def __init__(self, *, threads: int, max_batch_size: int, max_wait_s: float = 0.0) -> None:
        self.model = Adder()
        settings = ServeSettings(queue_limit=100_000)
        description = Model(
            name="adder", version="1", code_digest="sha256:0", runtime="python", serve=settings
        )
        servable = Servable(self.model)
        dispatcher = Dispatcher(queue_limit=settings.queue_limit, observer=Unobserved())
        health = Health("adder", "1")
        service = Service(health, dispatcher, settings, OpenGuard(), Unobserved())
        app = App(description, health, service, lambda _: Response(b"", b""), "off")
        self._threads = Threads()
        self._threads.grow(threads or 1)
        self._threads.serve(servable.run, dispatcher.ended, ahead=max_batch_size == 1)
        on_loop = OnLoop(servable.run, dispatcher.ended, max_rows=64, threads=self._threads)
        dispatcher.use(
            self._threads if threads else on_loop,
            max_batch_size=max_batch_size,
            max_wait_s=max_wait_s,
            inline=not threads,
        )
        endpoints = endpoints_of(description, servable.interface)
        app.serve(endpoints.by_path, endpoints.metadata)
        service.serve(servable, endpoints.by_path)
        self._config = uvicorn.Config(app, lifespan="off", interface="asgi3", log_config=None)
        self._config.load()
        self._state = ServerState()
        self._parts = (service, ServerSettings(), Wire())
        self.dispatcher = dispatcher

    def caller(self) -> Caller:
        return Caller(self._connect)

    def _connect(self, _: Caller) -> Connection:
        return Connection(
            *self._parts,
            config=self._config,
            server_state=self._state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )

    def close(self) -> bool:
        return self._threads.close()


async def answered(callers: list[Caller], within_s: float = 20.0) -> None:
    """Wait until nobody who is still there waits for an answer."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while any(caller.waiting and not caller.closed for caller in callers):
        assert loop.time() < end, [caller.waiting for caller in callers]
        await asyncio.sleep(0.001)
