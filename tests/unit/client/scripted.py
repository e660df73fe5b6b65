"""A server that does to each request what the test says, byte by byte."""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

Turn = bytes | Callable[[socket.socket], None]
"""What is sent for one request, or what is done with its connection."""


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Scripted:
    """Takes one turn for each request, the last of them again and again."""

    url: str
    turns: deque[Turn]
    seen: list[Seen] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)


def reply(
    status: str = "200 OK", body: bytes = b"{}", *headers: str, kind: str = "application/json"
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def problem(status: str, *headers: str, **fields: Any) -> bytes:
    body = msgspec.json.encode({"title": "title", "status": int(status[:3]), **fields})
    return reply(status, body, *headers, kind="application/problem+json")


@contextmanager
def scripted(*turns: Turn, listener: socket.socket | None = None) -> Iterator[Scripted]:
    listener = listener or socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.02)
    script = Scripted(f"http://127.0.0.1:{listener.getsockname()[1]}", deque(turns))
    thread = threading.Thread(target=_serve, args=(listener, script))
    thread.start()
    try:
        yield script
    finally:
        script.ending.set()
        thread.join()
        listener.close()


def _serve(listener: socket.socket, script: Scripted) -> None:
    number = 0
    threads = []
    while not script.ending.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:  # nobody came, or it does not listen yet
            script.ending.wait(0.01)
            continue
        number += 1
        threads.append(threading.Thread(target=_talk, args=(connection, script, number)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _talk(connection: socket.socket, script: Scripted, number: int) -> None:
    connection.settimeout(0.02)
    with connection, suppress(OSError):
        while (seen := _request(connection, script.ending, number)) is not None:
            script.seen.append(seen)
            turn = script.turns.popleft() if len(script.turns) > 1 else script.turns[0]
            if isinstance(turn, bytes):
                connection.sendall(turn)
            else:
                turn(connection)
                return


def _request(connection: socket.socket, ending: threading.Event, number: int) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := _receive(connection, ending)):
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers["content-length"]):
        if not (piece := _receive(connection, ending)):
            return None
        body += piece
    return Seen(first.split()[1], headers, body, number)


def _receive(connection: socket.socket, ending: threading.Event) -> bytes:
    while not ending.is_set():
        with suppress(TimeoutError):
            return connection.recv(65536)
    return b""
