"""Ask a running image what the model says."""

import socket
import time
import urllib.request

from benchmarks.building.processes import Failed

_IMAGE = (0, 0, 3, 13, 16, 16, 13, 0, 0, 0, 11, 14, 8, 15, 9, 0, 0, 0, 3, 5, 2, 14, 2, 0, 0, 0,
          0, 0, 9, 11, 1, 0, 0, 0, 2, 15, 15, 16, 9, 0, 0, 0, 2, 15, 14, 8, 2, 0, 0, 0, 0, 11, 10,
          0, 0, 0, 0, 0, 2, 15, 4, 0, 0, 0)  # fmt: skip
"""A handwritten seven, that of examples/digits."""

_READY_S = 60


def answer(address: str) -> str:
    """What the server at `address` says to one drawing, once it is ready.

    Raises:
        Failed: It does not answer in time.
    """
    request = urllib.request.Request(
        f"{address}/predict",
        data=",".join(map(str, _IMAGE)).encode(),
        headers={"content-type": "text/plain"},
    )
    until = time.monotonic() + _READY_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=_READY_S) as response:
                text: str = response.read().decode()
                return text
        except OSError as error:
            if time.monotonic() > until:
                raise Failed(f"{address} does not answer: {error}") from error
            time.sleep(0.2)


def free_port() -> int:
    """A port of this host that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
