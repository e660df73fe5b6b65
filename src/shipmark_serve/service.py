"""What a request needs of the server, whichever path it comes by."""

import asyncio
import itertools
import os
import re
import time
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote

import msgspec

from shipmark_serve import problems, server_timing
from shipmark_serve.call import Call, Endpoint, Head
from shipmark_serve.contract.errors import (
    BodyTooLarge,
    InvalidInput,
    PredictFailed,
    ServeError,
)
from shipmark_serve.contract.model import ServeSettings
from shipmark_serve.dispatch import Dispatcher
from shipmark_serve.health import Health
from shipmark_serve.lifecycle import Caller, Guard, Observer
from shipmark_serve.response import Response
from shipmark_serve.servable import Servable

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class Service:
    """Opens calls, has them answered, and says what the answer is.

    Args:
        health: The state that it asks and does not change.
        dispatcher: Where calls go that are fit to be run.
        settings: Limits of body, time and queue.
        guard: Who may ask.
        observer: Is told what became of every call.
    """

    def __init__(
        self,
        health: Health,
        dispatcher: Dispatcher,
        settings: ServeSettings,
        guard: Guard,
        observer: Observer,
    ) -> None:
        self.health = health
        self.settings = settings
        self.hot: dict[bytes, Endpoint] = {}
        """By the target of a request line; empty until the model is loaded."""
        self._dispatcher = dispatcher
        self._servable: Servable | None = None
        self._check = guard.check
        self._finished = observer.finished
        self._timeout_s = settings.timeout_s
        self._max_body_bytes = settings.max_body_bytes
        # Unique and not secret: it need not come from the kernel each time.
        self._ids = itertools.count(int.from_bytes(os.urandom(8)) >> 2)

    def serve(self, servable: Servable | None, endpoints: Mapping[str, Endpoint]) -> None:
        """Answer from now on.

        Args:
            servable: What decodes requests; None where lanes decode for themselves.
            endpoints: By path.
        """
        self._servable = servable
        for path, endpoint in endpoints.items():
            self.hot[quote(path).encode()] = endpoint

    def begin(self, endpoint: Endpoint, head: Head) -> Call:
        """A call to anything, by its head; nobody has judged it."""
        now = time.monotonic()
        given = head.request_id
        request_id = given if given and _REQUEST_ID.fullmatch(given) else b"%016x" % next(self._ids)
        return Call(endpoint.route, endpoint, head, request_id, now, now + self._timeout_s)

    def admit(self, call: Call) -> None:
        """Judge a call for inference; `error` is set where it ends with that already."""
        head = call.head
        verdict = self._check(head.authorization, call.began)
        if isinstance(verdict, Caller):
            call.caller = verdict.name
            call.error = self._dispatcher.refusal()
        elif isinstance(verdict, ServeError):
            call.error = verdict
        else:
            call.verdict = verdict
        if head.timeout:
            self._hasten(call)
        if head.length and int(head.length) > self._max_body_bytes and call.error is None:
            call.error = self.too_large()

    async def permit(self, call: Call) -> None:
        """Judge a call for something that is no inference.

        Raises:
            Unauthenticated: The guard does not know the caller.
            Forbidden: The caller may not ask.
        """
        verdict = self._check(call.head.authorization, call.began)
        if isinstance(verdict, asyncio.Future):
            verdict = await asyncio.shield(verdict)
        if isinstance(verdict, ServeError):
            raise verdict
        call.caller = verdict.name

    def ask(self, call: Call) -> None:
        """Have a call answered whose body has come; `done` is told on the event loop."""
        if call.verdict is not None:
            call.verdict.add_done_callback(partial(self._judged, call))
            return
        if self._servable is not None:
            try:
                self._servable.decode(call)
            except ServeError as error:
                self._dispatcher.settle(call, error)
                return
        self._dispatcher.submit(call)

    def _judged(self, call: Call, verdict: asyncio.Future[Caller | ServeError]) -> None:
        """Go on with a call about which the guard had to ask somebody else."""
        call.verdict = None
        found = verdict.result()
        if isinstance(found, ServeError):
            self._dispatcher.settle(call, found)
        else:
            call.caller = found.name
            self.ask(call)

    def too_large(self) -> BodyTooLarge:
        """The error for a body that is longer than it may be."""
        return BodyTooLarge(
            f"the body is longer than the {self._max_body_bytes} bytes that this server takes",
            hint="send less, or raise max_body_bytes",
        )

    def finish(self, call: Call, status: int) -> None:
        """Say that a call has been answered."""
        self._finished(call, status, time.monotonic())

    def _hasten(self, call: Call) -> None:
        """Shorten the deadline to what the caller says in X-Request-Timeout, in seconds."""
        try:
            seconds = float(call.head.timeout)
        except ValueError:
            seconds = -1.0
        if seconds > 0:
            call.deadline = min(call.deadline, call.began + seconds)
        elif call.error is None:
            call.error = InvalidInput(
                f"X-Request-Timeout is {call.head.timeout.decode('latin-1')!r}",
                hint="it is a number of seconds above 0",
            )


def response(call: Call) -> Response:
    """The response to a call that has come to its end."""
    done = call.response
    if call.error is not None or done is None:
        error = call.error or PredictFailed("the model gave no answer")
        return call.endpoint.problem(error, call.request_id.decode())
    if not call.head.timing:
        return done
    return msgspec.structs.replace(
        done, headers=(*done.headers, server_timing.header(call, time.monotonic()))
    )


class Plain:
    """The endpoint of what is not asked of a model: it only writes problems."""

    def __init__(self, route: str) -> None:
        self.route = route

    def decode(self, call: Call) -> None:
        """There is nothing to decode."""

    def encode(self, call: Call, value: object) -> Response:
        """There is nothing to encode."""
        raise NotImplementedError

    def problem(self, error: ServeError, request_id: str) -> Response:
        """Problem details."""
        return problems.of_error(error, request_id)


_: type[Endpoint] = Plain
