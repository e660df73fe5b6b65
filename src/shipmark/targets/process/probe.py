"""Ask a server whether it is ready, without ever waiting for it."""

import socket
from contextlib import suppress

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach such a listener


class Probe:
    """One GET /health/ready; read on when `fileno` is readable."""

    def __init__(self, host: str, port: int) -> None:
        host = _ANY.get(host, host)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._answer = b""
        request = f"GET /health/ready HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        try:
            # The kernel answers for a listener: this connects at once, or the backlog is full.
            self._socket.settimeout(1.0)
            self._socket.connect((host, port))
            self._socket.sendall(request.encode("ascii"))
            self._socket.setblocking(False)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._socket.fileno()

    def result(self) -> bool | None:
        """Whether the answer was 200; None while there is none yet."""
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return None
        except OSError:
            return False
        self._answer += data
        if b"\r\n" not in self._answer and data and len(self._answer) < 4096:
            return None
        words = self._answer.split(b"\r\n", 1)[0].split(b" ")
        return len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1] == b"200"

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._socket.close()
