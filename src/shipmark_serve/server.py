"""The server process: listen, load, serve, drain."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import uvloop

from shipmark_serve import cpus, logs
from shipmark_serve.app import App
from shipmark_serve.contract.errors import LoadFailed, ShipmarkError
from shipmark_serve.health import Health
from shipmark_serve.inference import Inference
from shipmark_serve.loading import load
from shipmark_serve.settings import Settings, from_environment
from shipmark_serve.watchdog import Reporter

_BACKLOG = 2048
_BEATS = 10
"""Heartbeats in the time that the watchdog bears silence."""
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_NOT_YET = ("max_batch_size", "max_wait_ms", "workers", "processes")
"""Settings that are understood and have no effect in this version."""

_log = logging.getLogger(__name__)


def run(reporter: Reporter) -> int:
    """Serve until a signal ends it.

    Returns:
        0 after a signal; 1 where the model could not be loaded, or nothing could be served.
    """
    logs.configure("INFO")
    # What a model prints should be seen when it is printed.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # it is a text stream
    try:
        settings = from_environment()
        logs.configure(settings.server.log_level)
        listener = _listen(settings)
        _enter(settings.root)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            clean = runner.run(_serve(settings, listener, reporter))
            status = 0
    except ShipmarkError as error:
        _log.error("%s%s", error.message, f" ({error.hint})" if error.hint else "")
        status, clean = 1, False
    if not clean:
        # A thread that is still inside a model must not keep the process, nor be unwound.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(status)
    return status


def _listen(settings: Settings) -> socket.socket:
    """Open the listening socket, or take the inherited one.

    Raises:
        LoadFailed: The address is taken or is not ours, or the descriptor is not a socket.
    """
    server = settings.server
    try:
        if server.listen_fd is not None:
            return socket.socket(fileno=server.listen_fd)
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        return socket.create_server((server.host, server.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = (
            f"descriptor {server.listen_fd}"
            if server.listen_fd is not None
            else f"{server.host} port {server.port}"
        )
        raise LoadFailed(
            f"cannot listen on {where}: {error.strerror}", hint="set PORT to a free port"
        ) from error


def _enter(root: Path) -> None:
    """Work in the package's root: a model may open its files by relative paths."""
    try:
        os.chdir(root)
    except OSError as error:
        raise LoadFailed(
            f"cannot enter the package's root {root}: {error.strerror}",
            hint="set SHIPMARK_ROOT to the directory that holds the package",
        ) from error


async def _serve(settings: Settings, listener: socket.socket, reporter: Reporter) -> bool:
    """Load and serve.

    Returns:
        Whether every inference thread came to its end.

    Raises:
        ShipmarkError: The model could not be loaded.
    """
    health = Health(settings.model.name, settings.model.version)
    inference = Inference(queue_limit=settings.serve.queue_limit)
    # The model is loaded by the thread that will run it, while this one imports the rest: some
    # libraries tie a model to its thread.
    inference.grow(1)
    loaded = asyncio.create_task(inference.run(partial(load, settings)))
    await asyncio.sleep(0)

    from shipmark_serve.protocol import HttpServer  # noqa: PLC0415 - see above

    app = App(health, inference, settings.serve)
    http = HttpServer(app, grace_s=settings.server.grace_s)

    def stop(reason: str) -> None:
        if health.state != "draining":
            _log.info("draining: %s", reason)
            health.state = "draining"
            http.should_exit = True

    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop, number.name)
    serving = asyncio.create_task(http.serve([listener]))
    await asyncio.wait({loaded, serving}, return_when=asyncio.FIRST_COMPLETED)
    if loaded.done():
        servable = loaded.result()
        processors = cpus.available(granted=settings.server.cpus)
        threads = settings.serve.threads or servable.threads or processors
        inference.grow(threads)
        _announce(settings, threads, listener)
        app.servable = servable
        if health.state == "loading":
            health.state = "ready"
        silence_s = settings.server.heartbeat_timeout_s
        reporter.ready(silence_s)
        beating = asyncio.create_task(_beat(reporter, silence_s / _BEATS, inference, stop))
        await serving
        beating.cancel()
    serving.result()
    return inference.close()


async def _beat(
    reporter: Reporter, interval_s: float, inference: Inference, stop: Callable[[str], None]
) -> None:
    """Tell the watchdog that the server lives, as long as it can still answer."""
    stuck = False
    while True:
        if not inference.stuck:
            stuck = False
            if not reporter.beat():
                stop("the watchdog is gone")
                return
        elif not stuck:
            stuck = True
            _log.error(
                "every inference thread is past its deadline: no heartbeat until one returns"
            )
        await asyncio.sleep(interval_s)


def _announce(settings: Settings, threads: int, listener: socket.socket) -> None:
    serve = settings.serve
    _log.info(
        "ready: %s %s (%s) on %s, inference threads %d of %d CPUs, queue_limit %d, timeout_s %g, "
        "max_body_bytes %d",
        settings.model.name,
        settings.model.version,
        settings.model.runtime,
        _address(listener),
        threads,
        cpus.available(granted=settings.server.cpus),
        serve.queue_limit,
        serve.timeout_s,
        serve.max_body_bytes,
    )
    unused = [key for key in _NOT_YET if getattr(serve, key) is not None]
    if unused:
        _log.warning("no effect in this version: %s", ", ".join(unused))


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
