"""Who is put under load, and the bytes that it is sent."""

import ipaddress
import re
import socket
import time
from dataclasses import replace

from shipmark.client.address import Address
from shipmark.client.body import Body
from shipmark.client.connection import Connection
from shipmark.client.failures import error_of
from shipmark.errors import ShipmarkError

ACCEPT = "application/json, */*;q=0.5"
_TOKEN = re.compile(r"[\x21-\x7e]+")
_MAX_ANSWER_BYTES = 256 << 20


def numeric_host(address: Address, *, allow_remote: bool) -> str:
    """The numeric address of a target, once it is one that load may be put on.

    Args:
        address: The target.
        allow_remote: Whether it may be another machine than this one.

    Raises:
        ShipmarkError: There is no such host, it is another machine, or it speaks TLS.
    """
    if address.scheme != "http":
        raise ShipmarkError(
            f"{address} is not plain HTTP, and load is put on nothing else",
            hint="measure the server behind what ends TLS",
        )
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ShipmarkError(
            f"there is no host {address.host}: {error}", hint="see whether the name is right"
        ) from error
    hosts = [str(entry[4][0]) for entry in found]
    remote = [host for host in hosts if not ipaddress.ip_address(host).is_loopback]
    if remote and not allow_remote:
        raise ShipmarkError(
            f"{address.host} is not this machine ({remote[0]}), and its owner may not want load",
            hint="if it is yours to load: --allow-remote",
        )
    return hosts[0]


def request_bytes(address: Address, body: Body, *, token: str | None) -> bytes:
    """A whole request, as it is sent each time.

    Raises:
        ShipmarkError: The token is none that a header can hold.
    """
    head = [
        f"POST {address.target} HTTP/1.1",
        f"Host: {address.netloc}",
        f"Content-Type: {body.media_type}",
        f"Content-Length: {len(body.data)}",
        *(f"{name}: {value}" for name, value in headers(token).items()),
    ]
    return "\r\n".join([*head, "", ""]).encode("ascii") + body.data


def headers(token: str | None) -> dict[str, str]:
    """What every request says beside its body."""
    if token is None:
        return {"Accept": ACCEPT}
    if not _TOKEN.fullmatch(token):
        raise ShipmarkError(
            "the token is empty, or has characters that no token has",
            hint="the file holds the token alone",
        )
    return {"Accept": ACCEPT, "Authorization": f"Bearer {token}"}


def try_once(
    address: Address, host: str, body: Body, *, token: str | None, timeout_s: float
) -> None:
    """Ask once before asking often: load of requests that are wrong measures nothing.

    Raises:
        ServeError: It does not answer, or not with 200, in its own words.
    """
    connection = Connection(replace(address, host=host), max_answer_bytes=_MAX_ANSWER_BYTES)
    try:
        came = connection.post(body, headers(token), deadline=time.monotonic() + timeout_s)
    finally:
        connection.close()
    if came.status != 200:
        raise error_of(came, came.headers.get("x-request-id", "-"))
