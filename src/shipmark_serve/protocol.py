"""The fast path: hot routes answered by the connection itself, all others by the ASGI app.

`Connection` is uvicorn's own protocol with its request handling taken out for those routes: no
scope, no task, no middleware, one write for an answer. It leans on these internals of uvicorn
(`tests/unit/serve/test_uvicorn.py` fails when they change): the parser callbacks and the names
`url`, `headers`, `cycle`, `pipeline`, `flow`, `timeout_keep_alive_task`, `_start_asgi_task`; that
a cycle is started by `on_headers_complete` and ends with `on_response_complete`; and that
`server_state.default_headers` is a new list each second.

Answers leave a connection in the order of its requests. A request for the app that follows fast
ones is held until those are answered; whatever follows one for the app goes by the app as well.
"""

import logging
import re
import time
from collections import deque
from typing import Any, Literal

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from shipmark_serve.call import Call, Endpoint, Head
from shipmark_serve.contract.errors import (
    HeadersTooLarge,
    InvalidInput,
    NotReady,
    RequestTimeout,
    ServeError,
)
from shipmark_serve.lifecycle import GONE
from shipmark_serve.service import Plain, Service, response
from shipmark_serve.settings import ServerSettings
from shipmark_serve.wire import Wire

_log = logging.getLogger(__name__)
_MAX_PIPELINED = 64
"""Fast calls that may be open on one connection before it is read no further."""
_SPARE_CONNECTIONS = 64
"""Beyond the limit, for those who ask for health."""
_LINGER_S = 1.0
"""How long a client that was refused may go on sending, so that it reads why."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_OTHER = Plain("other")

_MOST_DIGITS = 10
_MOST_FORGOTTEN = 16
"""Heads that are kept in vain before a connection stops to keep them."""
_LENGTH = re.compile(rb"\r\n(?i:content-length):[ \t]*([0-9]+)[ \t]*(?=\r\n)")

Phase = Literal["idle", "head", "body", "linger"]


class _Again(msgspec.Struct, frozen=True, gc=False):
    """The head of a fast request, for the next one with the same."""

    before: bytes
    """As far as the digits of Content-Length."""
    after: bytes
    endpoint: Endpoint
    head: Head


class Connection(HttpToolsProtocol):
    """One connection.

    Args:
        service: What answers.
        settings: Limits of heads, of connections, and of time.
        wire: Writes responses.
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: uvicorn's.
        _loop: uvicorn's.
    """

    def __init__(
        self,
        service: Service,
        settings: ServerSettings,
        wire: Wire,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._service = service
        self._settings = settings
        self._render = wire.render
        self._hot = service.hot
        self._max_head = settings.max_header_bytes
        self._crowded = False
        """There are more connections than should be: only health is answered."""

        self._phase: Phase = "idle"
        self._since = time.monotonic()
        """When the phase began."""
        self._head_bytes = 0
        """Of a head that has not come in one piece: what has come of it."""
        self._large = False
        """Whether the piece that is read is larger than a head may be."""
        self._received = 0
        """Bytes of bodies, in all."""
        self._expected = 0
        """What it was when the body began that is read."""
        self._silent_bytes = 0
        """What came in a body's place and was none: chunk sizes, extensions, trailers."""

        self._messages = 0
        self._head = Head()
        self._again: _Again | None = None
        """The head of the last request; a client mostly sends the same again."""
        self._forgotten = 0

        self._calls: deque[Call] = deque()
        """Fast calls that were opened and are not answered, in order."""
        self._reading: Call | None = None
        """The one whose body is coming; None where the body is thrown away, or the app's."""
        self._by_app = False
        """Whether the request that is being read is the app's."""
        self._cycles: deque[RequestResponseCycle] = deque()
        """Requests that the app was given and has not answered."""
        self._held: RequestResponseCycle | None = None
        """The app's, until the fast calls before it are answered."""
        self._closing = False
        """Closed as soon as all is answered."""
        self._deaf = False
        """Nothing is read any more."""

    # -- the connection ---------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Count it."""
        super().connection_made(transport)
        beyond = len(self.connections) - self._settings.max_connections
        self._crowded = beyond > 0
        if beyond > _SPARE_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the calls any more."""
        for call in self._calls:
            call.gone = True
            self._service.finish(call, GONE)
        self._calls.clear()
        self._reading = None
        self._disconnect()
        self.pipeline.clear()
        super().connection_lost(exc)

    def _disconnect(self) -> None:
        """Let the app know that nobody hears its answers; uvicorn tells the last request alone."""
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        self._cycles.clear()

    def shutdown(self) -> None:
        """Come to an end: what has begun to arrive is answered."""
        self._closing = True
        if self._calls or self._phase in ("head", "body"):
            return
        super().shutdown()

    def abandon(self) -> None:
        """Answer what is open with the news that the server stops."""
        self._deaf = self._closing = True
        stopped = NotReady("the server stopped before the answer came")
        for call in list(self._calls):
            if not call.settled:
                call.gone = True
                self._fail(call, stopped)
        self.transport.close()

    def sweep(self, now: float) -> None:
        """Close a connection on which nothing has happened for too long."""
        age = now - self._since
        if self._phase == "head":
            if age > self._settings.header_timeout_s:
                self._refuse(RequestTimeout("the head of the request did not arrive in time"))
        elif self._phase == "body":
            call = self._reading
            # The caller's own deadline is not for its body: it is told of that by 504.
            if self._by_app or age < self._service.settings.timeout_s:
                return
            if call is None:
                self.transport.abort()
            else:
                self._refuse(RequestTimeout("the body did not arrive in time"), call)
        elif self._phase == "linger":
            if age > _LINGER_S:
                self.transport.abort()
        elif age > self._settings.keep_alive_s and not self._busy:
            self.transport.close()
        elif self.flow.write_paused and age > self._service.settings.timeout_s:
            self.transport.abort()  # it asks and does not read

    @property
    def _busy(self) -> bool:
        return bool(self._calls or self._cycles)

    def pause_writing(self) -> None:
        """Read no more of a client that does not read."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if not self._busy:
            self.flow.resume_reading()

    # -- parsing ----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and bound what it keeps to itself."""
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        if self._deaf:
            return
        fresh = self._phase == "idle"
        if self._again is not None and fresh and self._repeat(self._again, data):
            return
        received, messages = self._received, self._messages
        self._large = len(data) > self._max_head
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # what follows is in a protocol that was not agreed on
        except httptools.HttpParserCallbackError:
            _log.exception("a request could not be read")
            self.transport.abort()
        except httptools.HttpParserError as error:
            self._refuse(InvalidInput(f"this is not HTTP: {error}"))
        else:
            if fresh and self._phase == "idle" and self._messages == messages + 1:
                self._remember(data)
            elif self._phase == "head":
                self._head_bytes += len(data)
                if self._head_bytes > self._max_head:
                    self._refuse(self._head_too_large())
            elif self._phase == "body" and self._received == received:
                self._silent_bytes += len(data)
                if self._silent_bytes > 2 * self._max_head:
                    self._refuse(InvalidInput("chunk extensions or trailers are too long"))

    def on_message_begin(self) -> None:
        """Begin to read a head; the scope is made where the app is to answer."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        if self._deaf:
            return
        self._messages += 1
        self._phase = "head"
        self._since = time.monotonic()
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Choose the path."""
        if self._deaf:
            return
        self._phase = "body"
        self._silent_bytes = 0
        self._by_app = False
        self._reading = None
        if self._large or self._head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self._max_head:
                self._refuse(self._head_too_large())
                return
        endpoint = self._hot.get(self.url)
        parser = self.parser
        if self._crowded and not self.url.startswith(b"/health"):
            self._refuse(
                NotReady("there are too many connections", hint="try again a little later")
            )
        elif (
            endpoint is None
            or self._cycles
            or parser.get_method() != b"POST"
            or parser.should_upgrade()
            or parser.get_http_version() != "1.1"
            or (self.expect_100_continue and self._calls)
        ):
            self._hand_over()
        else:
            self._read(endpoint)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        if self._deaf:
            return
        self._received += len(body)
        self._silent_bytes = 0
        if self._by_app:
            super().on_body(body)
            return
        call = self._reading
        if call is None:
            return
        if not call.body:
            call.body = body
        elif isinstance(call.body, bytearray):
            call.body += body
        else:
            call.body = bytearray(call.body) + body
        if not call.head.length and (
            self._received - self._expected > self._service.settings.max_body_bytes
        ):
            self._reading = None
            self._fail(call, self._service.too_large())

    def on_message_complete(self) -> None:
        """Have the call answered."""
        if self._deaf:
            return
        self._phase = "idle"
        if self._closing:
            self._deaf = True
        if self._by_app:
            super().on_message_complete()
            return
        call = self._reading
        if call is not None:
            self._reading = None
            self._service.ask(call)

    # -- the fast path ----------------------------------------------------------------------

    def _read(self, endpoint: Endpoint) -> None:
        """Begin a call whose body is to come."""
        self._head = head = Head.of(self.headers)
        call = self._open(endpoint, head)
        if not self.parser.should_keep_alive():
            self._closing = True
        if call.error is not None:
            # A client that was told no before it sent its body may never send it.
            self._closing = self._closing or self.expect_100_continue
            self._fail(call, call.error)
            return
        self._reading = call
        self._expected = self._received
        if self.expect_100_continue:
            self.transport.write(_CONTINUE)
        if len(self._calls) > _MAX_PIPELINED:
            self.flow.pause_reading()

    def _open(self, endpoint: Endpoint, head: Head) -> Call:
        call = self._service.begin(endpoint, head)
        self._service.admit(call)
        call.done = self._answer
        self._calls.append(call)
        return call

    def _remember(self, data: bytes) -> None:
        """Keep the head of a request that came in one piece, in case it is sent again."""
        if self._by_app or self._closing or self._forgotten > _MOST_FORGOTTEN:
            return
        self._again = None
        head = self._head
        length = int(head.length or -1)
        if not 0 <= length <= self._service.settings.max_body_bytes or self.expect_100_continue:
            return
        text = data[: len(data) - length]
        name, *others = _LENGTH.finditer(text)
        if not others and text.endswith(b"\r\n\r\n") and name[1] == head.length:
            self._forgotten += 1
            self._again = _Again(
                text[: name.start(1)], text[name.end(1) :], self._hot[self.url], head
            )

    def _repeat(self, again: "_Again", data: bytes) -> bool:
        """Answer a request whose head differs from the last one in its length at most.

        The parser was left where one message ended; it need not know that there was another.
        """
        if self._cycles or self._closing or not data.startswith(again.before):
            return False
        begin = len(again.before)
        end = data.find(b"\r", begin, begin + _MOST_DIGITS)
        digits = data[begin:end]
        if not (digits.isdigit() and data.startswith(again.after, end)):
            return False
        body = data[end + len(again.after) :]
        if len(body) != int(digits) or len(body) > self._service.settings.max_body_bytes:
            return False
        self._forgotten = 0
        call = self._open(again.endpoint, again.head)
        if call.error is not None:
            self._fail(call, call.error)
        else:
            call.body = body
            self._service.ask(call)
        return True

    def _fail(self, call: Call, error: ServeError) -> None:
        call.error = error
        call.settled = True
        self._answer(call)

    def _answer(self, call: Call) -> None:
        """Write what is due; an answer that comes early waits for those before it."""
        calls = self._calls
        transport = self.transport
        while calls and calls[0].settled:
            call = calls.popleft()
            if transport.is_closing():
                self._service.finish(call, GONE)
                continue
            reply = response(call)
            last = self._closing and not calls
            transport.write(
                self._render(
                    reply, call.request_id, defaults=self.server_state.default_headers, last=last
                )
            )
            self._service.finish(call, reply.status)
            self.server_state.total_requests += 1
        if calls:
            return
        if self._phase == "idle":
            self._since = time.monotonic()
        if self._held is not None:
            cycle, self._held = self._held, None
            super()._start_asgi_task(cycle, self.app)
        elif self._closing and self._reading is None:
            self._leave()
        elif self.flow.read_paused and not self.flow.write_paused:
            self.flow.resume_reading()

    def _leave(self) -> None:
        """Close; a client that still sends is left the time to read why it should not."""
        self._deaf = True
        if self._phase == "idle" or self.transport.is_closing():
            self.transport.close()
        else:
            self._phase = "linger"
            self._since = time.monotonic()
            self.transport.write_eof()

    def _refuse(self, error: ServeError, call: Call | None = None) -> None:
        """Answer what cannot be read with an error, after what came before it, and close."""
        self._closing = self._deaf = True
        call = call or self._reading
        self._reading = None
        if len(self._cycles) == 1 and self._by_app and self._phase == "body":
            self._disconnect()  # the app waits for the rest of a body that will not come
        elif self._cycles:
            self.cycle.keep_alive = False
            self.pipeline.clear()
            return
        if call is None:
            call = self._service.begin(_OTHER, Head())
            call.done = self._answer
            self._calls.append(call)
        self._fail(call, error)

    def _head_too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(f"the head of the request is longer than {self._max_head} bytes")

    # -- the full path ----------------------------------------------------------------------

    def _hand_over(self) -> None:
        """Let uvicorn have the request, as if it had read it itself."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        try:
            super().on_headers_complete()
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            self._refuse(InvalidInput("the target of the request is not one"))
        else:
            self._by_app = True
            self._cycles.append(self.cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start the app, after the fast calls that came before."""
        if self._calls:
            self.flow.pause_reading()
            self._held = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """The app has answered."""
        self._cycles.popleft()
        super().on_response_complete()
        self._since = time.monotonic()
        if self._closing and not self.pipeline and not self.transport.is_closing():
            self._leave()
