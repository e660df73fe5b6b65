"""The sockets that a server listens on."""

import socket

from shipmark_serve.contract.errors import LoadFailed
from shipmark_serve.settings import ServerSettings

_BACKLOG = 2048


def listen(settings: ServerSettings, *, worker: int, workers: int) -> socket.socket:
    """Open the listening socket of a worker, or take an inherited one.

    Workers that open theirs have one each on the same port, between which the kernel shares
    connections out. Inherited ones are taken in turn: with one for all of them, whoever is the
    first to wake up accepts.

    Raises:
        LoadFailed: The address is taken or is not ours, or the descriptor is not a socket.
    """
    inherited = settings.listen_fds
    try:
        if inherited:
            return socket.socket(fileno=inherited[worker % len(inherited)])
        if workers > 1 and settings.port == 0:
            raise LoadFailed(
                "several workers cannot share a port that the system chooses", hint="set PORT"
            )
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=_BACKLOG,
            reuse_port=workers > 1,
        )
    except OSError as error:
        where = (
            f"descriptor {settings.listen_fd}"
            if inherited
            else f"{settings.host} port {settings.port}"
        )
        raise LoadFailed(
            f"cannot listen on {where}: {error.strerror}", hint="set PORT to a free port"
        ) from error


def address(listener: socket.socket) -> str:
    """As a person would type it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
