"""OpenTelemetry traces, where they are configured by the standard `OTEL_...` variables.

A request is a span with two below it, `queue` and `inference`. Whether it is sampled is decided
here and before anything is made, so that one that is not costs next to nothing.

Source: W3C, "Trace Context"; OpenTelemetry, "Environment Variable Specification".
"""

import random
import re
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shipmark_serve.call import Call
from shipmark_serve.contract.errors import LoadFailed, MissingExtra
from shipmark_serve.contract.model import Model
from shipmark_serve.contract.records import Record
from shipmark_serve.lifecycle import GONE, Observer

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter

_TRACEPARENT = re.compile(
    rb"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
"""A later version may go on after the flags; 00 does not, and ff is none."""
_EXPORTERS = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
}
_SAMPLED = 1
_NANOSECONDS = 1_000_000_000
_FLUSH_S = 2.0
_FAILED = 500


class Traces(Record, frozen=True, kw_only=True):
    """What this server reads itself; the exporter reads the rest, each is `OTEL_<KEY>`."""

    sdk_disabled: bool = False
    traces_exporter: str = ""
    traces_sampler: str = "parentbased_always_on"
    traces_sampler_arg: str = ""
    service_name: str = ""
    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_protocol: str = "http/protobuf"
    exporter_otlp_traces_protocol: str = ""

    @property
    def wanted(self) -> bool:
        """Whether somebody is named who takes them."""
        named = self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint
        exporter = self.traces_exporter or ("otlp" if named else "none")
        return not self.sdk_disabled and exporter != "none"


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which requests are traced."""

    follow_parent: bool
    """Whether a caller that is traced itself has decided."""
    ratio: float
    """Of the others."""

    @classmethod
    def of(cls, traces: Traces) -> "Sampling":
        """Read the sampler's name.

        Raises:
            LoadFailed: It is not one of the standard's, or its ratio is no such number.
        """
        name = traces.traces_sampler
        kind = name.removeprefix("parentbased_")
        fixed = {"always_on": 1.0, "always_off": 0.0}
        try:
            ratio = fixed[kind] if kind != "traceidratio" else float(traces.traces_sampler_arg or 1)
        except (KeyError, ValueError):
            ratio = -1.0
        if not 0 <= ratio <= 1:
            raise LoadFailed(
                f"OTEL_TRACES_SAMPLER={name} OTEL_TRACES_SAMPLER_ARG={traces.traces_sampler_arg} "
                "is not a sampler of this server's",
                hint="use always_on, always_off or traceidratio (0 to 1), also after parentbased_",
            )
        return cls(follow_parent=kind != name, ratio=ratio)

    def takes(self, parent: "re.Match[bytes] | None") -> bool:
        """Whether a request is traced; `parent` is the match of its traceparent."""
        if parent is not None and self.follow_parent:
            return int(parent[3], 16) & _SAMPLED == _SAMPLED
        if self.ratio in (0.0, 1.0):
            return self.ratio == 1.0
        if parent is not None:
            # All that see this trace decide alike.
            return int(parent[1][16:], 16) < self.ratio * 2**64
        return random.random() < self.ratio  # noqa: S311 - no secret hangs on it


class Tracer:
    """An observer that makes spans of requests.

    Args:
        traces: The settings.
        model: What is served; its name is that of the service unless that is set.
        exporter: Takes the spans; None makes the one that the settings name.

    Raises:
        MissingExtra: OpenTelemetry's libraries are not installed.
        LoadFailed: A setting is not one that this server knows.
    """

    def __init__(
        self, traces: Traces, model: Model, exporter: "SpanExporter | None" = None
    ) -> None:
        self._sampling = Sampling.of(traces)
        try:
            from opentelemetry import trace  # noqa: PLC0415 - few servers have it
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - likewise
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415 - likewise

            exporter = exporter or _exporter(traces)
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"traces are configured, and {error.name} is not installed",
                hint="add shipmark-serve[otel] to the requirements, or set OTEL_SDK_DISABLED=true",
            ) from error
        self._api = trace
        resource = Resource.create(
            {
                "service.name": traces.service_name or model.name,
                "service.version": model.version,
                "shipmark.code_digest": model.code_digest,
                "shipmark.weights_digest": model.weights_digest or "",
            }
        )
        # Sampling is ours: see above.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("shipmark_serve")

    def finished(self, call: Call, status: int, now: float) -> None:
        """Make the spans of a request, if it is sampled."""
        header = call.head.traceparent
        parent = _TRACEPARENT.fullmatch(header) if header else None
        if not self._sampling.takes(parent):
            return
        # Spans are on the wall clock. Taken anew each time, since it is set now and then.
        offset = time.time_ns() - int(now * _NANOSECONDS)

        def moment(seconds: float) -> int:
            return offset + int(seconds * _NANOSECONDS)

        span = self._tracer.start_span(
            call.route,
            context=None if parent is None else self._context(parent),
            kind=self._api.SpanKind.SERVER,
            start_time=moment(call.began),
            attributes={
                "http.response.status_code": status,
                "shipmark.request_id": call.request_id.decode(),
                "shipmark.rows": call.rows,
            },
        )
        if call.started:
            below = self._api.set_span_in_context(span)
            ended = call.started + call.seconds
            self._tracer.start_span("queue", below, start_time=moment(call.queued)).end(
                moment(call.started)
            )
            self._tracer.start_span(
                "inference",
                below,
                start_time=moment(call.started),
                attributes={"shipmark.batch_rows": call.batch_rows},
            ).end(moment(ended))
        if status == GONE or status >= _FAILED:
            span.set_status(self._api.StatusCode.ERROR)
        span.end(moment(now))

    def batch(self, requests: int, rows: int, seconds: float) -> None:
        """A batch is told by the requests in it."""

    def close(self) -> None:
        """Hand over the last spans, as far as that goes quickly."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_FLUSH_S)

    def _context(self, parent: "re.Match[bytes]") -> "Context":
        caller = self._api.SpanContext(
            trace_id=int(parent[1], 16),
            span_id=int(parent[2], 16),
            is_remote=True,
            trace_flags=self._api.TraceFlags(int(parent[3], 16)),
        )
        return self._api.set_span_in_context(self._api.NonRecordingSpan(caller))


def _exporter(traces: Traces) -> Any:
    if traces.traces_exporter == "console":
        return import_module("opentelemetry.sdk.trace.export").ConsoleSpanExporter()
    protocol = traces.exporter_otlp_traces_protocol or traces.exporter_otlp_protocol
    if traces.traces_exporter not in ("", "otlp") or protocol not in _EXPORTERS:
        raise LoadFailed(
            f"OTEL_TRACES_EXPORTER={traces.traces_exporter} over {protocol} is not an exporter "
            "of this server's",
            hint=f"use otlp over {' or '.join(_EXPORTERS)}, console, or none",
        )
    return import_module(_EXPORTERS[protocol]).OTLPSpanExporter()


_: type[Observer] = Tracer
