"""Asking for a prediction, again where that is safe."""

import os
import re
import time
from types import TracebackType
from typing import Self

from shipmark.client.address import Address
from shipmark.client.answer import Answer, answer_of
from shipmark.client.body import body_of
from shipmark.client.connection import Connection, ConnectionRefused, Reply
from shipmark.client.failures import error_of, retry_after_s
from shipmark_serve.contract.errors import DeadlineExceeded, ServeError

TIMEOUT_S = 120.0
RETRIES = 3
MAX_ANSWER_BYTES = 1 << 30

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Client:
    """A model server, asked over one connection; for one thread at a time.

    Args:
        url: Where it is; `/predict` is added where it is missing.
        timeout_s: How long one prediction may take, retries included.
        retries: How often to ask again where that cannot ask twice: nothing listened, or the
            server answered 429 with Retry-After or 503. Any other refusal is told at once.
        max_answer_bytes: What an answer may have.

    Raises:
        ShipmarkError: `url` is not one.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self.address = Address.parse(url)
        self._timeout_s = timeout_s
        self._retries = retries
        self._connection = Connection(self.address, max_answer_bytes=max_answer_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del kind, value, traceback
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def predict(
        self, value: object, *, media_type: str | None = None, accept: str = "*/*"
    ) -> Answer:
        """Ask for the prediction of one value.

        Args:
            value: A string is text, bytes are sent as they are, a path is the file's content, and
                anything else is JSON.
            media_type: What the body says that it is; None: what follows from the value.
            accept: Which media types the answer may have.

        Raises:
            InvalidInput: The value is not what the model takes; its subclasses tell more.
            PredictFailed: The model raised.
            Overloaded, NotReady, DeadlineExceeded: Another time it may answer.
            ServeError: There is no such server, or it refuses for another reason.
            ShipmarkError: The file cannot be read.
        """
        body = body_of(value, media_type)
        begun = time.monotonic()
        deadline = begun + self._timeout_s
        own_id = os.urandom(8).hex()
        headers = {"Accept": accept, "X-Request-ID": own_id}
        retried = 0
        while True:
            try:
                reply = self._connection.post(body, headers, deadline=deadline)
            except ConnectionRefused as error:
                failure: ServeError = error
                wait_s: float | None = _back_off_s(retried)
            except DeadlineExceeded as error:
                raise DeadlineExceeded(
                    f"{self.address} did not answer within {self._timeout_s:g} s "
                    f"(request {own_id})",
                    hint="allow more time, or see in its log what it does",
                ) from error
            else:
                request_id = _request_id(reply) or own_id
                if reply.status == 200:
                    duration_s = time.monotonic() - begun
                    return answer_of(reply, request_id=request_id, duration_s=duration_s)
                failure = error_of(reply, request_id)
                wait_s = _wait_s(reply, retried)
            if wait_s is None or retried >= self._retries or time.monotonic() + wait_s >= deadline:
                raise failure
            time.sleep(wait_s)
            retried += 1


def predict(
    url: str,
    value: object,
    *,
    media_type: str | None = None,
    timeout_s: float = TIMEOUT_S,
    retries: int = RETRIES,
) -> Answer:
    """Ask the model at `url` for one prediction; see `Client` and its `predict`."""
    with Client(url, timeout_s=timeout_s, retries=retries) as client:
        return client.predict(value, media_type=media_type)


def _wait_s(reply: Reply, retried: int) -> float | None:
    """How long to wait before asking again; None where that is not for us to do."""
    said = retry_after_s(reply)
    if reply.status == 503:
        return max(said or 0.0, _back_off_s(retried))
    return said if reply.status == 429 else None


def _back_off_s(retried: int) -> float:
    return float(min(_FIRST_WAIT_S * 2**retried, _LONGEST_WAIT_S))


def _request_id(reply: Reply) -> str | None:
    given = reply.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else None
