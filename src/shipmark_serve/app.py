"""The full path: the ASGI application, with every route."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from http import HTTPStatus
from typing import Any, Literal, NamedTuple

import msgspec

from shipmark_serve import __version__, logs, problems
from shipmark_serve.call import Call, Endpoint, Head
from shipmark_serve.contract.errors import NotFound, NotReady, RequestTimeout, ServeError
from shipmark_serve.contract.model import Model
from shipmark_serve.contract.v2.messages import ModelMetadata, ServerMetadata
from shipmark_serve.health import Health
from shipmark_serve.lifecycle import GONE
from shipmark_serve.response import Header, Response
from shipmark_serve.service import Plain, Service, response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handle = Callable[[Call, Receive], Awaitable[Response]]

_log = logging.getLogger(__name__)
_READING = ("GET", "HEAD")
_JSON = b"application/json"


class Route(NamedTuple):
    """What is answered at a path."""

    methods: tuple[str, ...]
    endpoint: Endpoint
    handle: Handle


class App:
    """Answers every route; those of inference by the endpoints that `serve` names.

    Args:
        model: What is served.
        health: The state that it tells.
        service: What answers inference.
        page: Makes the answer of `/metrics` for an Accept header.
        metrics: Who may have it.
    """

    def __init__(
        self,
        model: Model,
        health: Health,
        service: Service,
        page: Callable[[str], Response],
        metrics: Literal["open", "guarded", "off"],
    ) -> None:
        self._model = model
        self._health = health
        self._service = service
        ready, live, health_ = Plain("ready"), Plain("live"), Plain("health")
        v2 = PlainV2("v2")
        self._other = Plain("other")
        self._other_v2 = PlainV2("other")
        self._names = (
            f"/v2/models/{model.name}",
            f"/v2/models/{model.name}/versions/{model.version}",
        )
        self._routes: dict[str, Route] = {
            "/health": Route(_READING, health_, self._live),
            "/health/live": Route(_READING, live, self._live),
            "/health/ready": Route(_READING, ready, self._ready),
            "/v2": Route(_READING, v2, self._server_metadata),
            "/v2/": Route(_READING, v2, self._server_metadata),
            "/v2/health/live": Route(_READING, live, self._live),
            "/v2/health/ready": Route(_READING, ready, self._ready),
            "/predict": Route(("POST",), Plain("predict"), self._infer),
        }
        self._page = page
        self._metrics_guarded = metrics == "guarded"
        if metrics != "off":
            self._routes["/metrics"] = Route(_READING, Plain("metrics"), self._metrics)
        for name in self._names:
            self._routes[name] = Route(_READING, PlainV2("metadata"), self._loading)
            self._routes[f"{name}/ready"] = Route(_READING, ready, self._ready)
            self._routes[f"{name}/infer"] = Route(("POST",), PlainV2("infer"), self._infer)

    def serve(self, endpoints: Mapping[str, Endpoint], metadata: ModelMetadata) -> None:
        """Answer inference from now on."""
        for path, endpoint in endpoints.items():
            self._routes[path] = Route(("POST",), endpoint, self._infer)
        body = msgspec.json.encode(metadata)
        route = Route(_READING, PlainV2("metadata"), partial(self._guarded, Response(_JSON, body)))
        for name in self._names:
            self._routes[name] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = Head.of(scope["headers"])
        path: str = scope["path"]
        other = self._other_v2 if path.startswith("/v2/") else self._other
        route = self._routes.get(path)
        call = self._service.begin(other if route is None else route.endpoint, head)
        request_id = call.request_id.decode()
        logs.request_id.set(request_id)
        try:
            if route is None:
                reply = call.endpoint.problem(self._not_found(path), request_id)
            elif scope["method"] in route.methods:
                reply = await route.handle(call, receive)
            else:
                reply = _not_allowed(scope, route.methods, request_id)
        except ServeError as error:
            reply = call.endpoint.problem(error, request_id)
        except asyncio.CancelledError:
            # The grace time is over. The caller is still there and should learn of it.
            call.gone = True
            stopped = NotReady("the server stopped before the answer came")
            reply = call.endpoint.problem(stopped, request_id)
        except Exception:  # noqa: BLE001 - our own mistake must not leave a caller without an answer
            _log.exception("the server failed at %s", path)
            reply = problems.of_status(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                detail="the server failed",
                code="internal",
                request_id=request_id,
            )
        expects = any(name == b"expect" for name, _ in scope["headers"])
        await _send(send, reply, call.request_id, close=expects and reply.status != HTTPStatus.OK)
        self._service.finish(call, reply.status)

    def _not_found(self, path: str) -> NotFound:
        return NotFound(f"there is no {path}", hint=f"there are {', '.join(self._routes)}")

    async def _loading(self, call: Call, receive: Receive) -> Response:
        del call, receive
        raise NotReady("the model is loading", hint="ask /health/ready")

    async def _infer(self, call: Call, receive: Receive) -> Response:
        if not self._service.hot:
            await self._loading(call, receive)
        self._service.admit(call)
        if call.error is not None:
            raise call.error
        call.body = await self._body(receive)
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def done(call: Call) -> None:
            if not answered.done():
                answered.set_result(response(call))

        call.done = done
        self._service.ask(call)
        left = asyncio.ensure_future(receive())  # comes when the client leaves, and not before
        either: set[asyncio.Future[Any]] = {answered, left}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        if answered.done():
            return answered.result()
        call.gone = True
        return Response(b"", b"", GONE)

    async def _body(self, receive: Receive) -> bytes:
        """Read the body, as far as it may go.

        Raises:
            BodyTooLarge: It is longer, or says that it will be.
            RequestTimeout: It was not here at the deadline, or its client is gone.
        """
        limit = self._service.settings.max_body_bytes
        body = bytearray()
        more = True
        try:
            async with asyncio.timeout(self._service.settings.timeout_s):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RequestTimeout("the client left before the body had arrived")
                    body += message["body"]
                    more = message["more_body"]
                    if len(body) > limit:
                        raise self._service.too_large()
        except TimeoutError as error:
            raise RequestTimeout("the body did not arrive in time") from error
        return bytes(body)

    async def _guarded(self, reply: Response, call: Call, receive: Receive) -> Response:
        del receive
        await self._service.permit(call)
        return reply

    async def _metrics(self, call: Call, receive: Receive) -> Response:
        del receive
        if self._metrics_guarded:
            await self._service.permit(call)
        return self._page(call.head.accept.decode("latin-1"))

    async def _server_metadata(self, call: Call, receive: Receive) -> Response:
        del call, receive
        metadata = ServerMetadata(name="shipmark", version=__version__)
        return Response(_JSON, msgspec.json.encode(metadata))

    async def _live(self, call: Call, receive: Receive) -> Response:
        del call, receive
        return self._state(HTTPStatus.OK)

    async def _ready(self, call: Call, receive: Receive) -> Response:
        del call, receive
        ready = self._health.state == "ready"
        return self._state(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    def _state(self, status: HTTPStatus) -> Response:
        return Response(_JSON, msgspec.json.encode(self._health.report()), status)


class PlainV2(Plain):
    """The same for the Open Inference Protocol v2."""

    def problem(self, error: ServeError, request_id: str) -> Response:
        """An object with the one key `error`."""
        del request_id
        return problems.of_error_v2(error)


def _not_allowed(scope: Scope, methods: tuple[str, ...], request_id: str) -> Response:
    allowed = ", ".join(methods)
    return problems.of_status(
        HTTPStatus.METHOD_NOT_ALLOWED,
        detail=f"{scope['path']} takes {allowed}, not {scope['method']}",
        code="method-not-allowed",
        request_id=request_id,
        headers=((b"allow", allowed.encode()),),
    )


async def _send(send: Send, reply: Response, request_id: bytes, *, close: bool) -> None:
    headers: list[Header] = [
        (b"content-type", reply.media_type),
        (b"x-request-id", request_id),
        *reply.headers,
        (b"content-length", str(len(reply.body)).encode()),
    ]
    if close:
        # A client that was told no before it sent its body may never send it.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
