"""Servers whose behaviour under load is known beforehand; run as a program of its own.

    stall PERIOD DURATION   answers at once, but not at all in the first DURATION of each PERIOD
    constant SERVICE        one request at a time, each SERVICE long
    sequence WHAT,WHAT,...  treats requests of a connection in turn: a status, `close`, `hang`,
                            `drop`, `garbage`, `chunked`, `exit`

Prints the port it listens on.
"""

import asyncio
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"

Answer = Callable[[asyncio.Transport], None]


class Requests(asyncio.Protocol):
    """Calls `answer` once for each whole request."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        if end and len(body) >= length:
            self._received = body[length:]
            self._answer(self._transport)


def stalling(period_s: float, duration_s: float) -> Answer:
    def answer(transport: asyncio.Transport) -> None:
        phase = time.monotonic() % period_s
        if phase < duration_s:
            time.sleep(duration_s - phase)  # nobody is answered meanwhile
        transport.write(OK)

    return answer


def constant(service_s: float) -> Answer:
    waiting: deque[asyncio.Transport] = deque()

    def finish(at: float) -> None:
        waiting.popleft().write(OK)
        if waiting:
            asyncio.get_running_loop().call_at(at + service_s, finish, at + service_s)

    def answer(transport: asyncio.Transport) -> None:
        waiting.append(transport)
        if len(waiting) == 1:
            at = asyncio.get_running_loop().time() + service_s
            asyncio.get_running_loop().call_at(at, finish, at)

    return answer


def sequence(names: list[str]) -> Answer:
    treatments: Iterator[str] = itertools.cycle(names)

    def answer(transport: asyncio.Transport) -> None:
        match next(treatments):
            case "hang":
                pass
            case "drop":
                transport.abort()
            case "close":
                transport.write(OK.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
                transport.close()
            case "chunked":
                transport.write(CHUNKED[:40])
                asyncio.get_running_loop().call_later(0.001, transport.write, CHUNKED[40:])
            case "garbage":
                transport.write(b"220 mail.example ESMTP\r\n")
            case "exit":
                os._exit(0)
            case "200":
                transport.write(OK)
            case status:
                transport.write(f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n".encode())

    return answer


async def main(kind: str, *values: str) -> None:
    match kind:
        case "stall":
            answer = stalling(*map(float, values))
        case "constant":
            answer = constant(*map(float, values))
        case _:
            answer = sequence(values[0].split(","))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Requests(answer), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
