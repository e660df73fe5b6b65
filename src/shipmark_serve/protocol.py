"""uvicorn as this server uses it: connections, parsing and draining are its part."""

from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from shipmark_serve.app import App


class HttpServer(uvicorn.Server):
    """Answers by `app` until `should_exit`, then lets what is in flight come to its end.

    Args:
        app: The application.
        grace_s: How long that may take.
    """

    def __init__(self, app: App, *, grace_s: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=grace_s,
            )
        )

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the server: it must stop being ready before uvicorn drains."""
        yield
