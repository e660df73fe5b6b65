"""Shows guard, metrics, logs and timing over HTTP, on the fast path and on the full one alike."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shipmark_serve.contract.model import Model

SOURCE = Path(__file__).parents[3] / "src"
TOKEN, OTHERS = "s3cret-of-alice", "s3cret-of-bob"
ALICE = {"authorization": f"Bearer {TOKEN}"}
BOB = {"authorization": f"Bearer {OTHERS}"}
CODE = """
import logging
def predict(text: str) -> str:
    logging.getLogger("model").info("asked %s", text)
    return text.upper()
"""


@dataclass
class Answer:
    status: int
    headers: Message
    body: bytes


@dataclass
class Server:
    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def ask(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        request = urllib.request.Request(
            self.url + path, body, {"content-type": "text/plain", **(headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return Answer(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def metrics(self, headers: Mapping[str, str] | None = None) -> dict[str, float]:
        """Name and label values, without the buckets."""
        body = self.ask("/metrics", headers=headers).body.decode()
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
            if not sample.name.endswith("_bucket")
        }

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()


@dataclass
class Place:
    root: Path

    @property
    def tokens(self) -> Path:
        return self.root / "tokens"

    @contextmanager
    def server(self, **settings: str) -> Iterator[Server]:
        (self.root / "model.py").write_text(CODE)
        model = Model(
            name="upper", version="1.0", code_digest="sha256:aa", runtime="python", entry="model.py"
        )
        (self.root / "model.json").write_bytes(msgspec.json.encode(model))
        log = self.root / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "shipmark_serve"],
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(SOURCE),
                    "SHIPMARK_MODEL": str(self.root / "model.json"),
                    "SHIPMARK_ROOT": str(self.root),
                    "SHIPMARK_HOST": "127.0.0.1",
                    "PORT": "0",
                    **settings,
                },
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Server(self._url(log, process), log, process)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, log.read_text()

    def _url(self, log: Path, process: subprocess.Popen[bytes]) -> str:
        until(lambda: " on http://" in log.read_text() or process.poll() is not None)
        text = log.read_text()
        assert " on http://" in text, text
        return "http://" + text.partition(" on http://")[2].partition(",")[0]


def until(true: Callable[[], bool]) -> None:
    for _ in range(400):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it did not come true within 20 s")


def line(token: str, rest: str) -> str:
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()} {rest}\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.tokens.write_text(line(TOKEN, "alice") + line(OTHERS, "bob fraud-*"))
    return place


# A trailing query is for the app: the fast path knows exact paths alone.
PATHS = pytest.mark.parametrize("path", ["/predict", "/predict?full"])


def test_who_is_let_in_and_who_is_told_what(place: Place) -> None:
    with place.server(SHIPMARK_TOKENS_FILE=str(place.tokens)) as server:
        v2 = b'{"inputs":[{"name":"input","datatype":"BYTES","shape":[1],"data":["a"]}]}'
        infer = "/v2/models/upper/infer"
        for path, body in (("/predict", b"a"), ("/predict?full", b"a"), (infer, v2)):
            assert server.ask(path, body, ALICE).status == 200
            nobody = server.ask(path, body)
            assert nobody.status == 401
            assert nobody.headers["www-authenticate"].startswith("Bearer")
            wrong = server.ask(path, body, {"authorization": "Bearer guess"})
            assert wrong.status == 401
            forbidden = server.ask(path, body, BOB)
            assert forbidden.status == 403
            assert "www-authenticate" not in forbidden.headers
            for answer in (nobody, wrong, forbidden):
                assert b"s3cret" not in answer.body
                assert b"guess" not in answer.body
        assert server.ask("/v2/models/upper").status == 401
        assert server.ask("/v2/models/upper", headers=ALICE).status == 200
        for path in ("/health", "/health/live", "/health/ready", "/v2/health/ready", "/metrics"):
            assert server.ask(path).status == 200
        found = server.metrics()
        assert found["shipmark_guard_checks_total accepted"] == 4
        assert found["shipmark_guard_checks_total unauthenticated"] == 7
        assert found["shipmark_guard_checks_total forbidden"] == 3
        assert found["shipmark_requests_total predict 200"] == 2
        assert found["shipmark_requests_total infer 403"] == 1
    log = place.root.joinpath("log").read_text()
    assert "s3cret" not in log
    assert "guess" not in log


def test_tokens_are_changed_without_a_restart(place: Place) -> None:
    with place.server(SHIPMARK_TOKENS_FILE=str(place.tokens)) as server:
        assert server.ask("/predict", b"a", ALICE).status == 200
        place.tokens.write_text("this is not a tokens file\n")
        until(lambda: "stay as they are" in server.log.read_text())
        assert server.ask("/predict", b"a", ALICE).status == 200
        beside = place.root / "beside"
        beside.write_text(line(OTHERS, "bob"))
        beside.replace(place.tokens)
        until(lambda: server.ask("/predict", b"a", ALICE).status == 401)
        assert server.ask("/predict", b"a", BOB).status == 200


@pytest.mark.parametrize(("setting", "nobody", "alice"), [("guarded", 401, 200), ("off", 404, 404)])
def test_metrics_are_for_whom_the_setting_says(
    place: Place, setting: str, nobody: int, alice: int
) -> None:
    with place.server(SHIPMARK_TOKENS_FILE=str(place.tokens), SHIPMARK_METRICS=setting) as server:
        assert server.ask("/metrics").status == nobody
        assert server.ask("/metrics", headers=ALICE).status == alice


def test_every_request_is_counted_once_by_route_and_code(place: Place) -> None:
    with place.server(SHIPMARK_MAX_BODY_BYTES="100") as server:
        for _ in range(30):
            assert server.ask("/predict", b"a").body == b"A"
        for _ in range(4):
            server.ask("/predict?full", b"a")
        for _ in range(3):
            assert server.ask("/predict", b"a" * 200).status == 413
        assert server.ask("/predict", b"\xff").status == 400
        for number in range(5):
            assert server.ask(f"/no/{number}").status == 404
        assert server.ask("/health/ready").status == 200
        found = server.metrics()
        assert found["shipmark_requests_total predict 200"] == 34
        assert found["shipmark_requests_total predict 413"] == 3
        assert found["shipmark_requests_total predict 400"] == 1
        assert found["shipmark_requests_total other 404"] == 5
        assert found["shipmark_requests_total ready 200"] == 1
        assert found["shipmark_response_seconds_count predict"] == 38
        assert found["shipmark_queue_wait_seconds_count"] == 34
        assert found["shipmark_batched_requests_total"] == 34
        assert found["shipmark_queue_depth"] == found["shipmark_requests_in_flight"] == 0
        assert found["shipmark_model_info upper 1.0 python sha256:aa "] == 1
        assert found["shipmark_process_resident_memory_bytes http-0"] > 10e6
        assert "shipmark_guard_checks_total accepted" not in found, "there is no guard"


@PATHS
def test_a_caller_who_asks_is_told_where_the_time_went(place: Place, path: str) -> None:
    with place.server() as server:
        assert "server-timing" not in server.ask(path, b"a").headers
        timing = server.ask(path, b"a", {"x-server-timing": "1"}).headers["server-timing"]
        names = [part.strip().partition(";")[0] for part in timing.split(",")]
        assert names == ["queue", "inference", "total"]


@PATHS
def test_every_line_of_a_json_log_is_one(place: Place, path: str) -> None:
    with place.server(
        SHIPMARK_LOG_FORMAT="json",
        SHIPMARK_ACCESS_LOG="1",
        SHIPMARK_TOKENS_FILE=str(place.tokens),
    ) as server:
        server.ask(path, b"a", {**ALICE, "x-request-id": "the-first"})
        server.ask(path, b"a", {"x-request-id": "the-second"})
    lines = [json.loads(text) for text in server.lines()]
    first = [each for each in lines if each["request_id"] == "the-first"]
    assert [each["logger"] for each in first] == ["model", "shipmark_serve.access"]
    assert first[0]["message"] == "asked a"
    assert (first[1]["status"], first[1]["caller"]) == (200, "alice")
    (second,) = [each for each in lines if each["request_id"] == "the-second"]
    assert (second["status"], second["caller"]) == (401, "")


def test_without_being_asked_there_is_no_line_for_a_request(place: Place) -> None:
    with place.server() as server:
        server.ask("/predict", b"\xff", {"x-request-id": "the-first"})
    assert not [text for text in server.lines() if "the-first" in text]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"SHIPMARK_TOKENS_FILE": "/does/not/exist"}, "cannot read the tokens file"),
        ({"SHIPMARK_METRICS": "maybe"}, "SHIPMARK_METRICS=maybe is not right"),
        ({"OTEL_TRACES_SAMPLER": "x", "OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_SAMPLER=x"),
    ],
)
def test_a_wrong_setting_ends_the_start(
    place: Place, settings: dict[str, str], reason: str
) -> None:
    with pytest.raises(AssertionError, match=reason), place.server(**settings):
        pass
