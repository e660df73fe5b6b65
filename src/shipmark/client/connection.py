"""One kept-alive HTTP connection, whose every request ends at a deadline.

A socket's own timeout starts again with each byte; a server that sends one now and then would
hold its caller for ever. What it sends is bounded too.
"""

import http.client
import select
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from typing import Any

from shipmark.client.address import Address
from shipmark.client.body import Body
from shipmark_serve.contract.errors import DeadlineExceeded, NotReady, ServeError


class ConnectionRefused(NotReady):
    """Nothing listens there (yet); the request was not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole HTTP response."""

    status: int
    reason: str
    headers: Message
    body: bytes


class Connection:
    """Connects when it must, and keeps the connection for the next request."""

    def __init__(self, address: Address, *, max_answer_bytes: int) -> None:
        self._address = address
        self._max_answer_bytes = max_answer_bytes
        self._http = http.client.HTTPConnection(address.host, address.port)
        self._socket: _Timed | _TimedTls | None = None

    def close(self) -> None:
        """Let go of the connection; the next request makes another."""
        self._http.close()
        self._socket = None

    def post(self, body: Body, headers: Mapping[str, str], *, deadline: float) -> Reply:
        """Send `body` and read the reply, whatever its status.

        Args:
            body: What to send.
            headers: More of the request's headers.
            deadline: In time of `time.monotonic`.

        Raises:
            ConnectionRefused: Nothing listens there.
            DeadlineExceeded: The reply was not whole in time.
            ServeError: There is no such server, or what it says is not HTTP.
        """
        with self._explained():
            connected = self._connected(deadline)
            connected.deadline = deadline
            connected.settimeout(_left_s(deadline))
            sent = {"Host": self._address.netloc, "Content-Type": body.media_type, **headers}
            # A server that refuses a body may say so and hang up before it has all of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._http.request("POST", self._address.target, body.data, sent)
            response = self._http.getresponse()
            return Reply(
                status=response.status,
                reason=response.reason,
                headers=response.headers,
                body=self._body(response),
            )

    def _connected(self, deadline: float) -> "_Timed | _TimedTls":
        if self._http.sock is None or self._socket is None or _has_hung_up(self._socket):
            self.close()
            self._socket = self._http.sock = _connect(self._address, deadline)
        return self._socket

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        limit = self._max_answer_bytes
        data = response.read(limit + 1)
        if len(data) > limit:
            raise ServeError(
                f"{self._address} answered more than {limit} bytes", hint="ask for less"
            )
        if response.length:
            raise http.client.IncompleteRead(data, response.length)
        return data

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what sockets and http.client raise into errors of ours."""
        address = self._address
        try:
            yield
        except BaseException as error:
            self.close()  # whatever else this connection brings belongs to no request
            match error:
                case ConnectionRefusedError():
                    raise ConnectionRefused(
                        f"nothing listens at {address}",
                        hint="shipmark ps shows what runs and where",
                    ) from error
                case TimeoutError():
                    raise DeadlineExceeded(f"{address} did not answer in time") from error
                case socket.gaierror():
                    raise ServeError(
                        f"there is no host {address.host}: {error.strerror}",
                        hint="see whether the name is right",
                    ) from error
                case ssl.SSLCertVerificationError():
                    raise ServeError(
                        f"the certificate of {address} cannot be trusted: {error.verify_message}",
                        hint="set SSL_CERT_FILE if it is of a CA of your own",
                    ) from error
                case ssl.SSLError():
                    reason = (error.reason or str(error)).replace("_", " ").lower()
                    raise ServeError(
                        f"no safe connection to {address}: {reason}",
                        hint="see whether it speaks https",
                    ) from error
                case http.client.RemoteDisconnected() | ConnectionError():
                    raise ServeError(
                        f"{address} hung up without an answer",
                        hint="its log may tell why: shipmark logs",
                    ) from error
                case OSError():
                    raise ServeError(
                        f"{address} cannot be reached: {error.strerror or error}"
                    ) from error
                case http.client.HTTPException():
                    raise ServeError(
                        f"what {address} answered is not whole HTTP: {type(error).__name__}",
                        hint="see whether the port is that of a model",
                    ) from error
                case _:
                    raise


class _Timed(socket.socket):
    """A socket that stops reading at a deadline."""

    deadline: float

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(_left_s(self.deadline))
        return super().recv_into(buffer, nbytes, flags)


class _TimedTls(ssl.SSLSocket):
    """The same within TLS."""

    deadline: float

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_left_s(self.deadline))
        return super().recv_into(buffer, nbytes, flags)


def _connect(address: Address, deadline: float) -> _Timed | _TimedTls:
    plain = socket.create_connection((address.host, address.port), _left_s(deadline))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if address.scheme == "http":
        return _Timed(fileno=plain.detach())
    context = ssl.create_default_context()
    context.sslsocket_class = _TimedTls
    try:
        plain.settimeout(_left_s(deadline))
        secured = context.wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise
    assert isinstance(secured, _TimedTls)  # noqa: S101 - what sslsocket_class promises
    return secured


def _has_hung_up(kept: socket.socket) -> bool:
    """Whether the server closed a connection that nothing was asked on meanwhile."""
    poll = select.poll()
    poll.register(kept, select.POLLIN)
    return bool(poll.poll(0))


def _left_s(deadline: float) -> float:
    """Seconds until `deadline`.

    Raises:
        TimeoutError: There are none.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
