"""The ASGI application: the routes, and what every answer has in common."""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from shipmark_serve import logs, problems
from shipmark_serve.codecs import media
from shipmark_serve.contract.errors import (
    BodyTooLarge,
    NotReady,
    RequestTimeout,
    ServeError,
)
from shipmark_serve.contract.model import ServeSettings
from shipmark_serve.health import Health
from shipmark_serve.inference import Inference
from shipmark_serve.response import Response
from shipmark_serve.servable import Servable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]

_log = logging.getLogger(__name__)
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_READING = ("GET", "HEAD")


class App:
    """Answers `/predict` once `servable` is set, and `/health` always."""

    def __init__(self, health: Health, inference: Inference, settings: ServeSettings) -> None:
        self.servable: Servable | None = None
        self._health = health
        self._inference = inference
        self._settings = settings
        self._routes: dict[
            str, tuple[tuple[str, ...], Callable[[Headers, Receive], Awaitable[Response]]]
        ] = {
            "/predict": (("POST",), self._predict),
            "/health": (_READING, self._report),
            "/health/live": (_READING, self._live),
            "/health/ready": (_READING, self._ready),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: Headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(8).hex().encode()
        logs.request_id.set(request_id.decode())
        response = await self._respond(scope, headers, receive)
        unread = b"expect" in headers and response.status != HTTPStatus.OK
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [
                    (b"content-type", response.media_type),
                    (b"content-length", str(len(response.body)).encode()),
                    (b"x-request-id", request_id),
                    *response.headers,
                    # A client that was told no before it sent its body may never send it.
                    *(((b"connection", b"close"),) if unread else ()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(self, scope: Scope, headers: Headers, receive: Receive) -> Response:
        request_id = logs.request_id.get()
        methods, handle = self._routes.get(scope["path"], ((), None))
        if handle is None:
            return problems.of_status(
                HTTPStatus.NOT_FOUND,
                detail=f"there is no {scope['path']}",
                code="not-found",
                hint=f"there are {', '.join(self._routes)}",
                request_id=request_id,
            )
        if scope["method"] not in methods:
            allowed = ", ".join(methods)
            return problems.of_status(
                HTTPStatus.METHOD_NOT_ALLOWED,
                detail=f"{scope['path']} takes {allowed}, not {scope['method']}",
                code="method-not-allowed",
                request_id=request_id,
                headers=((b"allow", allowed.encode()),),
            )
        try:
            return await handle(headers, receive)
        except ServeError as error:
            return problems.of_error(error, request_id)
        except asyncio.CancelledError:
            # The grace time is over. The caller is still there and should learn of it.
            stopped = NotReady("the server stopped before the answer came")
            return problems.of_error(stopped, request_id)
        except Exception:  # noqa: BLE001 - our own mistake must not leave a caller without an answer
            _log.exception("the server failed at %s", scope["path"])
            return problems.of_status(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                detail="the server failed",
                code="internal",
                request_id=request_id,
            )

    async def _predict(self, headers: Headers, receive: Receive) -> Response:
        servable = self.servable
        if servable is None:
            raise NotReady("the model is loading", hint="ask /health/ready")
        self._inference.admit()
        deadline = asyncio.get_running_loop().time() + self._settings.timeout_s
        body = await self._body(headers, receive, deadline)
        media_type = media.parse(headers.get(b"content-type", b"").decode("latin-1"))
        accept = headers.get(b"accept", b"").decode("latin-1")
        value = servable.codec.decode(body, media_type)
        answer = await self._inference.run(
            partial(servable.answer, value, media_type, accept), deadline=deadline
        )
        return Response(media_type=answer.media_type, body=answer.body)

    async def _body(self, headers: Headers, receive: Receive, deadline: float) -> bytes:
        """Read the body, as far as it may go.

        Raises:
            BodyTooLarge: It is longer, or says that it will be.
            RequestTimeout: It was not here at the deadline, or its client is gone.
        """
        limit = self._settings.max_body_bytes
        size = int(headers.get(b"content-length", b"0"))
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout_at(deadline):
                received, more = 0, True
                while more and size <= limit:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RequestTimeout("the client left before the body had arrived")
                    chunks.append(message["body"])
                    received += len(message["body"])
                    size = max(size, received)
                    more = message["more_body"]
        except TimeoutError as error:
            raise RequestTimeout(
                f"the body did not arrive within {self._settings.timeout_s:g} s"
            ) from error
        if size > limit:
            raise BodyTooLarge(
                f"the body is longer than the {limit} bytes that this server takes",
                hint="send less, or raise max_body_bytes",
            )
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _report(self, headers: Headers, receive: Receive) -> Response:
        del headers, receive
        return self._state(HTTPStatus.OK)

    async def _live(self, headers: Headers, receive: Receive) -> Response:
        del headers, receive
        return self._state(HTTPStatus.OK)

    async def _ready(self, headers: Headers, receive: Receive) -> Response:
        del headers, receive
        ready = self._health.state == "ready"
        return self._state(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    def _state(self, status: HTTPStatus) -> Response:
        body = msgspec.json.encode(self._health.report())
        return Response(status=status, media_type=b"application/json", body=body)
