"""What this server counts."""

from http import HTTPStatus
from itertools import product

from shipmark_serve.lifecycle import GONE
from shipmark_serve.metrics.family import Family, Layout

OTHER = "other"
ROUTES = ("predict", "infer", "v2", "metadata", "health", "live", "ready", "metrics", OTHER)
"""Every value of the label `route`: a caller must not be able to make up more."""

CODES = (
    HTTPStatus.OK,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    GONE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""Statuses with a series of their own; any other counts as `other`."""

SECONDS = (
    1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0
)  # fmt: skip
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)

REQUESTS = Family(
    name="shipmark_requests",
    kind="counter",
    help="Requests that came to an end, by route and status code; 499: the caller hung up.",
    labels=("route", "code"),
    series=tuple(product(ROUTES, (*(str(int(code)) for code in CODES), OTHER))),
)
RESPONSE = Family(
    name="shipmark_response_seconds",
    kind="histogram",
    help="From the head of a request to its answer.",
    unit="seconds",
    labels=("route",),
    series=tuple((route,) for route in ROUTES),
    bounds=SECONDS,
)
WAIT = Family(
    name="shipmark_queue_wait_seconds",
    kind="histogram",
    help="How long a request waited between its admission and its inference.",
    unit="seconds",
    bounds=SECONDS,
)
BATCH = Family(
    name="shipmark_batch_rows",
    kind="histogram",
    help="Rows in a batch.",
    unit="rows",
    bounds=ROWS,
)
BATCHED = Family(
    name="shipmark_batched_requests",
    kind="counter",
    help="Requests that were part of a batch.",
)
INFERENCE = Family(
    name="shipmark_inference_seconds",
    kind="histogram",
    help="How long inference took on a batch.",
    unit="seconds",
    bounds=SECONDS,
)
IN_FLIGHT = Family(
    name="shipmark_requests_in_flight",
    kind="gauge",
    help="Requests that were admitted and have no answer yet.",
)
QUEUE_DEPTH = Family(
    name="shipmark_queue_depth",
    kind="gauge",
    help="Requests that wait for their inference.",
)
GUARD = Family(
    name="shipmark_guard_checks",
    kind="counter",
    help="Requests that the guard judged, by what it found.",
    labels=("result",),
    series=(("accepted",), ("unauthenticated",), ("forbidden",)),
)

LAYOUT = Layout(
    (REQUESTS, RESPONSE, WAIT, BATCH, BATCHED, INFERENCE, IN_FLIGHT, QUEUE_DEPTH, GUARD)
)
