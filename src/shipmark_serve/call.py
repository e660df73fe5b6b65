"""One request for inference, from its head to its answer."""

import asyncio
from asyncio import TimerHandle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from shipmark_serve.contract.errors import ServeError
from shipmark_serve.response import Header, Response

if TYPE_CHECKING:
    from shipmark_serve.lifecycle import Caller


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the server reads of a request's headers; b"" is a header that was not sent.

    A frozen Struct is made in a fraction of the time that a dataclass takes.
    """

    authorization: bytes = b""
    content_type: bytes = b""
    accept: bytes = b""
    request_id: bytes = b""
    timeout: bytes = b""
    """X-Request-Timeout: seconds that the caller will wait."""
    json_length: bytes = b""
    """Inference-Header-Content-Length of the binary tensor extension."""
    length: bytes = b""
    """Content-Length."""
    traceparent: bytes = b""
    timing: bytes = b""
    """X-Server-Timing: whatever it says, the answer has a Server-Timing header."""

    @staticmethod
    def of(headers: list[Header]) -> "Head":
        """Read headers with names in lower case; of one that is sent twice, the last counts."""
        get = dict(headers).get
        return Head(
            get(b"authorization", b""),
            get(b"content-type", b""),
            get(b"accept", b""),
            get(b"x-request-id", b""),
            get(b"x-request-timeout", b""),
            get(b"inference-header-content-length", b""),
            get(b"content-length", b""),
            get(b"traceparent", b""),
            get(b"x-server-timing", b""),
        )


class Call(msgspec.Struct, eq=False):
    """A request and what has become of it; all of its times are of `time.monotonic`.

    The event loop owns it. The thread that runs inference writes `response` or `error` and the
    fields of its batch, before the loop is told.
    """

    route: str
    """A label of few values: `predict`, `infer`, `health`, ..., or `other`."""
    endpoint: "Endpoint"
    """The protocol that it speaks."""
    head: Head
    request_id: bytes
    """The caller's own where it is fit, else made here."""
    began: float
    """When the head had been read."""
    deadline: float
    """When its caller stops waiting."""
    body: bytes | bytearray | memoryview = b""
    caller: str = ""
    """As the guard knows it."""
    verdict: "asyncio.Future[Caller | ServeError] | None" = None
    """The guard's, where it has to ask somebody else, until it is there."""

    value: Any = None
    """The input, decoded: a list of what `Predictor.predict` takes."""
    rows: int = 1
    """How many rows it has: of its tensors, where those can be joined, else items of the list."""
    key: object = None
    """Calls can be joined where their keys are equal."""
    asked: Any = None
    """What the endpoint's encoder must know of the request."""

    queued: float = 0.0
    """When it was admitted to the queue; 0 where it never was."""
    started: float = 0.0
    """When inference began on the batch that it was in; 0 where it never did."""
    seconds: float = 0.0
    """How long that took."""
    batch_rows: int = 0
    """Rows of that batch, this call's own among them."""

    response: Response | None = None
    error: ServeError | None = None
    gone: bool = False
    """Its caller hung up, or was told that it is too late."""
    done: Callable[["Call"], None] | None = None
    """Told once, on the event loop, when `response` or `error` is there."""
    settled: bool = False
    """Whether `done` has been told."""
    timer: TimerHandle | None = None
    """What tells the caller that it is too late."""


class Endpoint(Protocol):
    """One way of asking for inference: the requests of a protocol, and its answers."""

    route: str

    def decode(self, call: Call) -> None:
        """Set `value`, and `asked` where `encode` needs it, from the head and the body.

        Raises:
            InvalidInput: With the place of the mistake.
            UnsupportedMediaType: The model has no form for what the head says.
        """

    def encode(self, call: Call, value: Any) -> Response:
        """Write the answer: `value` is a list of what `Predictor.predict` gives.

        Raises:
            PredictFailed: The protocol has no form for the value.
        """

    def problem(self, error: ServeError, request_id: str) -> Response:
        """The response to a request that ended in `error`."""
