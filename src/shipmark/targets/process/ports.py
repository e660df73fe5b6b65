"""Open the port of a deployment, or say who has it."""

import errno
import pwd
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shipmark.errors import DeployError

FIRST_PORT = 8080
_TRIED = 200
BACKLOG = 4096


def owner_of(port: int) -> str | None:
    """The program that listens on `port`, or whose it is, where this user may not know more."""
    listening = _listening(port)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in listening:
                    name = (process / "comm").read_text("utf-8", "replace").strip()
                    return f"{name} (pid {process.name})"
    for user in listening.values():
        try:
            return f"a process of {pwd.getpwuid(user).pw_name}"
        except KeyError:
            return f"a process of user {user}"
    return None


def listen(
    host: str,
    port: int | None,
    *,
    preferred: int | None = None,
    owner: Callable[[int], str | None] = owner_of,
) -> socket.socket:
    """Open a listening socket.

    Args:
        host: Address to listen on.
        port: None for the first free one from 8080 on.
        preferred: Tried before those, where `port` is None.
        owner: Tells who has a port.

    Raises:
        DeployError: The port is taken, or the address is not this host's.
    """
    if port is not None:
        candidates = [port]
    else:
        candidates = [*([preferred] if preferred else []), *range(FIRST_PORT, FIRST_PORT + _TRIED)]
    reason = ""
    for candidate in candidates:
        try:
            return _listen(host, candidate)
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno != errno.EADDRINUSE:
                break
    if port is None:
        raise DeployError(
            f"cannot listen on {host}, on any port from {FIRST_PORT} to {candidates[-1]}: {reason}",
            hint="give one with --port",
        )
    holder = owner(port)
    raise DeployError(
        f"cannot listen on {host}:{port}: {reason}" + (f", by {holder}" if holder else ""),
        hint="give another one with --port, or none: the first free one is taken then",
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _listening(port: int) -> dict[str, int]:
    """The sockets that listen on `port`, as descriptors name them, and the users they are of."""
    found: dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text("ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    found[f"socket:[{fields[9]}]"] = int(fields[7])
    return found
