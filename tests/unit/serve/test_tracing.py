"""Shows which requests are traced, what their spans say, and that a collector receives them."""

import http.server
import sys
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from shipmark_serve.call import Call, Head
from shipmark_serve.contract.errors import LoadFailed, MissingExtra
from shipmark_serve.contract.model import Model
from shipmark_serve.service import Plain
from shipmark_serve.tracing import _TRACEPARENT, Sampling, Tracer, Traces

MODEL = Model(name="iris", version="1.0", code_digest="sha256:aa", runtime="onnx")
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def call(traceparent: str = "", *, ran: bool = True) -> Call:
    return Call(
        route="predict",
        endpoint=Plain("predict"),
        head=Head(traceparent=traceparent.encode()),
        request_id=b"abc",
        began=10.0,
        deadline=99.0,
        rows=2,
        queued=10.1 if ran else 0.0,
        started=10.3 if ran else 0.0,
        seconds=0.5,
        batch_rows=8,
    )


def spans(one: Call, status: int = 200, **settings: str) -> dict[str, ReadableSpan]:
    exporter = InMemorySpanExporter()
    tracer = Tracer(
        msgspec.convert({f"traces_{key}": value for key, value in settings.items()}, Traces),
        MODEL,
        exporter,
    )
    tracer.finished(one, status, 11.0)
    tracer.close()
    return {span.name: span for span in exporter.get_finished_spans()}


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_request_is_a_span_with_its_queue_and_its_inference() -> None:
    before = time.time()
    found = spans(call(PARENT))
    assert set(found) == {"predict", "queue", "inference"}
    whole = found["predict"]
    assert whole.context is not None
    assert whole.parent is not None
    assert f"{whole.context.trace_id:032x}" == TRACE
    assert f"{whole.parent.span_id:016x}" == SPAN
    assert whole.attributes == {
        "http.response.status_code": 200,
        "shipmark.request_id": "abc",
        "shipmark.rows": 2,
    }
    assert whole.resource.attributes["service.name"] == "iris"
    assert whole.resource.attributes["service.version"] == "1.0"
    assert [seconds(found[name]) for name in ("predict", "queue", "inference")] == pytest.approx(
        [1.0, 0.2, 0.5]
    )
    assert whole.end_time is not None
    assert abs(whole.end_time / 1e9 - before) < 5, "on the wall clock"
    for name in ("queue", "inference"):
        parent = found[name].parent
        assert parent is not None
        assert parent.span_id == whole.context.span_id


def test_one_that_was_never_run_has_one_span_and_a_failure_says_so() -> None:
    found = spans(call(ran=False), 503)
    assert set(found) == {"predict"}
    assert found["predict"].status.status_code is StatusCode.ERROR
    assert found["predict"].parent is None


@pytest.mark.parametrize(
    ("sampler", "arg", "traceparent", "taken"),
    [
        ("parentbased_always_on", "", "", True),
        ("parentbased_always_on", "", PARENT, True),
        ("parentbased_always_on", "", f"00-{TRACE}-{SPAN}-00", False),
        ("parentbased_always_off", "", "", False),
        ("parentbased_always_off", "", PARENT, True),
        ("always_on", "", f"00-{TRACE}-{SPAN}-00", True),
        ("always_off", "", PARENT, False),
        ("parentbased_traceidratio", "0", "", False),
        ("parentbased_traceidratio", "0", PARENT, True),
        ("traceidratio", "0", PARENT, False),
        ("traceidratio", "0.51", f"00-{'0' * 15}1{'7' + 'f' * 15}-{SPAN}-00", True),
        ("traceidratio", "0.49", f"00-{'0' * 15}1{'7' + 'f' * 15}-{SPAN}-01", False),
        # Not a traceparent: as if there were none.
        ("parentbased_always_off", "", f"00-{'0' * 32}-{SPAN}-01", False),
        ("parentbased_always_off", "", f"00-{TRACE}-{'0' * 16}-01", False),
        ("parentbased_always_off", "", f"ff-{TRACE}-{SPAN}-01", False),
        ("parentbased_always_off", "", f"00-{TRACE.upper()}-{SPAN}-01", False),
        ("parentbased_always_off", "", "nonsense", False),
        ("parentbased_always_off", "", f"01-{TRACE}-{SPAN}-01-later", True),
        ("parentbased_always_off", "", f"00-{TRACE}-{SPAN}-01-later", False),
    ],
)
def test_which_requests_are_traced(sampler: str, arg: str, traceparent: str, taken: bool) -> None:
    assert bool(spans(call(traceparent), sampler=sampler, sampler_arg=arg)) is taken


@given(ratio=st.floats(0, 1))
def test_the_ratio_is_kept(ratio: float) -> None:
    sampling = Sampling(follow_parent=True, ratio=ratio)
    taken = sum(sampling.takes(None) for _ in range(400))
    assert abs(taken / 400 - ratio) < 0.2


@given(header=st.binary(max_size=80))
def test_no_header_breaks_it(header: bytes) -> None:
    Sampling(follow_parent=True, ratio=0.5).takes(_TRACEPARENT.fullmatch(header))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"traces_sampler": "jaeger_remote"}, "OTEL_TRACES_SAMPLER=jaeger_remote"),
        ({"traces_sampler": "traceidratio", "traces_sampler_arg": "2"}, "_ARG=2"),
        ({"traces_exporter": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin"),
        ({"exporter_otlp_protocol": "http/json"}, "http/json"),
    ],
)
def test_a_setting_that_is_not_known_ends_the_start(settings: dict[str, str], message: str) -> None:
    with pytest.raises(LoadFailed, match=message):
        Tracer(msgspec.convert(settings, Traces), MODEL)


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtra) as caught:
        Tracer(Traces(), MODEL)
    assert "shipmark-serve[otel]" in caught.value.hint


@pytest.mark.parametrize(
    ("traces", "wanted"),
    [
        (Traces(), False),
        (Traces(exporter_otlp_endpoint="http://c:4318"), True),
        (Traces(exporter_otlp_traces_endpoint="http://c:4318/v1/traces"), True),
        (Traces(traces_exporter="console"), True),
        (Traces(traces_exporter="none", exporter_otlp_endpoint="http://c:4318"), False),
        (Traces(sdk_disabled=True, exporter_otlp_endpoint="http://c:4318"), False),
    ],
)
def test_traces_are_made_where_somebody_takes_them(traces: Traces, wanted: bool) -> None:
    assert traces.wanted is wanted


class Collector(http.server.BaseHTTPRequestHandler):
    received: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            raise NotImplementedError
        self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    received: list[ExportTraceServiceRequest] = []
    handler = type("Handler", (Collector,), {"received": received})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def test_a_collector_receives_them_over_otlp(
    collector: tuple[str, list[ExportTraceServiceRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    tracer = Tracer(Traces(exporter_otlp_endpoint=endpoint), MODEL)
    tracer.finished(call(PARENT), 200, 11.0)
    tracer.close()
    sent = [
        span
        for request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert {span.name for span in sent} == {"predict", "queue", "inference"}
    assert {span.trace_id.hex() for span in sent} == {TRACE}


def test_a_collector_that_is_away_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = "http://127.0.0.1:9"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    tracer = Tracer(Traces(exporter_otlp_endpoint=endpoint), MODEL)
    tracer.finished(call(), 200, 11.0)
    began = time.monotonic()
    tracer.close()
    assert time.monotonic() - began < 4
