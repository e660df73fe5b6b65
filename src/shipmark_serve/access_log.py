"""A line for each request: the machinery of `logging` would cost more than a small model."""

import asyncio
import os
import time
from collections.abc import Callable

import msgspec

from shipmark_serve.call import Call
from shipmark_serve.lifecycle import Observer
from shipmark_serve.logs import SECOND, Format

FLUSH_S = 0.2
"""Lines are written together; those of the last moment are lost where the server is killed."""
_STDERR = 2


class _Line(msgspec.Struct, frozen=True, gc=False):
    time: str
    level: str
    request_id: str
    logger: str
    message: str
    route: str
    caller: str
    status: int
    seconds: float
    queue_wait_s: float | None
    inference_s: float | None
    batch_rows: int


class AccessLog:
    """An observer that writes what became of each request.

    Args:
        form: As for the log itself.
        write: Takes whole lines.
    """

    def __init__(self, form: Format, write: Callable[[bytes], object] | None = None) -> None:
        self._line = _json if form == "json" else _text
        self._write = write or _to_stderr
        self._lines: list[bytes] = []
        self._second = 0
        self._shown = ""

    def finished(self, call: Call, status: int, now: float) -> None:
        """Note a request."""
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._lines.append(self._line(self._time(), call, status, now - call.began))

    def batch(self, requests: int, rows: int, seconds: float) -> None:
        """A batch is no line."""

    def flush(self) -> None:
        """Write what has been noted."""
        lines, self._lines = self._lines, []
        if lines:
            self._write(b"".join(lines))

    def _time(self) -> str:
        # A line of a log says when it was: for people, and nothing is decided by it.
        milliseconds = time.time_ns() // 1_000_000
        second, rest = divmod(milliseconds, 1000)
        if second != self._second:
            self._second = second
            self._shown = time.strftime(SECOND, time.gmtime(second))
        return f"{self._shown}.{rest:03d}Z"


def _json(moment: str, call: Call, status: int, seconds: float) -> bytes:
    ran = call.started != 0
    line = _Line(
        moment,
        "INFO",
        call.request_id.decode(),
        "shipmark_serve.access",
        f"{call.route} {status}",
        call.route,
        call.caller,
        status,
        round(seconds, 6),
        round(call.started - call.queued, 6) if ran else None,
        round(call.seconds, 6) if ran else None,
        call.batch_rows,
    )
    return msgspec.json.encode(line) + b"\n"


def _text(moment: str, call: Call, status: int, seconds: float) -> bytes:
    line = f"{moment} INFO [{call.request_id.decode()}] {call.route} {status} in {seconds:.6f} s"
    if call.caller:
        line += f" for {call.caller}"
    if call.started:
        line += (
            f", waited {call.started - call.queued:.6f} s, inference {call.seconds:.6f} s "
            f"on {call.batch_rows} rows"
        )
    return f"{line}\n".encode()


def _to_stderr(lines: bytes) -> None:
    view = memoryview(lines)
    while view:
        view = view[os.write(_STDERR, view) :]


_: type[Observer] = AccessLog
