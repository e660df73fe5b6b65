"""Shows that every line of a log is whole and has its request, and what the access log says."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator

import pytest

from shipmark_serve import logs, server_timing
from shipmark_serve.access_log import AccessLog
from shipmark_serve.call import Call, Head
from shipmark_serve.service import Plain

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def call(*, ran: bool = True) -> Call:
    return Call(
        route="predict",
        endpoint=Plain("predict"),
        head=Head(),
        request_id=b"abc",
        began=10.0,
        deadline=99.0,
        queued=10.1 if ran else 0.0,
        started=10.3 if ran else 0.0,
        seconds=0.5,
        batch_rows=8,
    )


def test_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    token = logs.request_id.set("abc")
    logging.getLogger("model").info("hello %d", 7)
    logs.request_id.reset(token)
    assert re.fullmatch(rf"{TIME} INFO \[abc\] hello 7\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    "message", ["plain", 'two\nlines "quoted"', "\ud800 half a pair", "\x1b[2J"]
)
def test_a_line_of_json_whatever_is_said(message: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "json")
    token = logs.request_id.set("abc")
    logging.getLogger("model").warning("%s", message)
    logs.request_id.reset(token)
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert re.fullmatch(TIME, found.pop("time"))
    assert found == {
        "level": "WARNING",
        "request_id": "abc",
        "logger": "model",
        "message": message.replace("\ud800", "?"),
    }


def test_a_traceback_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", "json")
    try:
        int("bad\nrow")
    except ValueError:
        logging.getLogger("model").exception("predict raised")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found["request_id"] == "-"
    assert found["exception"].startswith("Traceback")
    assert found["exception"].endswith(r"base 10: 'bad\nrow'")


def access(form: logs.Format, calls: list[tuple[Call, int]]) -> list[bytes]:
    written: list[bytes] = []

    async def main() -> None:
        log = AccessLog(form, written.append)
        for one, status in calls:
            log.finished(one, status, 11.0)
        assert not written, "lines are written together"
        log.flush()
        log.flush()

    asyncio.run(main())
    assert len(written) == 1
    return written[0].splitlines()


def test_the_access_log_as_text() -> None:
    ran, refused = access("text", [(call(), 200), (call(ran=False), 429)])
    assert re.fullmatch(
        rf"{TIME} INFO \[abc\] predict 200 in 1.000000 s, waited 0.200000 s, "
        r"inference 0.500000 s on 8 rows",
        ran.decode(),
    )
    assert re.fullmatch(rf"{TIME} INFO \[abc\] predict 429 in 1.000000 s", refused.decode())


def test_the_access_log_as_json_has_the_keys_of_every_line() -> None:
    ran, refused = map(json.loads, access("json", [(call(), 200), (call(ran=False), 429)]))
    assert re.fullmatch(TIME, ran.pop("time"))
    assert ran == {
        "level": "INFO",
        "request_id": "abc",
        "logger": "shipmark_serve.access",
        "message": "predict 200",
        "route": "predict",
        "caller": "",
        "status": 200,
        "seconds": 1.0,
        "queue_wait_s": 0.2,
        "inference_s": 0.5,
        "batch_rows": 8,
    }
    assert (refused["queue_wait_s"], refused["inference_s"]) == (None, None)


def test_the_access_log_writes_by_itself_before_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipmark_serve.access_log.FLUSH_S", 0.01)
    written: list[bytes] = []

    async def main() -> None:
        log = AccessLog("text", written.append)
        for _ in range(3):
            log.finished(call(), 200, 11.0)
            await asyncio.sleep(0.03)

    asyncio.run(main())
    assert len(written) == 3


def test_server_timing_is_in_milliseconds() -> None:
    assert server_timing.header(call(), 11.0) == (
        b"server-timing",
        b'queue;dur=200.000, inference;dur=500.000;desc="8 rows", total;dur=1000.000',
    )
    assert server_timing.header(call(ran=False), 11.0)[1] == b"total;dur=1000.000"
