"""uvicorn as this server uses it: listening, connections and draining are its part."""

import asyncio
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn

from shipmark_serve.app import App
from shipmark_serve.protocol import Connection
from shipmark_serve.service import Service
from shipmark_serve.settings import ServerSettings
from shipmark_serve.wire import Wire

_SWEEP_S = 0.5


class HttpServer(uvicorn.Server):
    """Answers until `should_exit`, then lets what is in flight come to its end.

    Args:
        app: Answers what the fast path does not.
        service: What both answer by.
        settings: Limits of connections, and of time.
    """

    def __init__(self, app: App, service: Service, settings: ServerSettings) -> None:
        connection = partial(Connection, service, settings, Wire())
        super().__init__(
            uvicorn.Config(
                app,
                http=cast("type[asyncio.Protocol]", connection),
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=settings.keep_alive_s,
                timeout_graceful_shutdown=settings.grace_s,
            )
        )

    async def main_loop(self) -> None:
        """Watch over connections meanwhile."""
        sweeping = asyncio.create_task(self._sweep())
        try:
            await super().main_loop()
        finally:
            sweeping.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain; at the end of the grace time, say so to those who still wait."""
        sweeping = asyncio.create_task(self._sweep())
        await super().shutdown(sockets)
        sweeping.cancel()
        for connection in self._connections:
            connection.abandon()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = time.monotonic()
            for connection in self._connections:
                connection.sweep(now)

    @property
    def _connections(self) -> list[Connection]:
        return cast("list[Connection]", list(self.server_state.connections))

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the server: it must stop being ready before uvicorn drains."""
        yield
