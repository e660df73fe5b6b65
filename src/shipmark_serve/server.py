"""The server process: listen, load, serve, drain."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from shipmark_serve import logs
from shipmark_serve.app import App
from shipmark_serve.contract.errors import LoadFailed, ShipmarkError
from shipmark_serve.dispatch import Dispatcher
from shipmark_serve.health import Health
from shipmark_serve.instruments import Instruments, region
from shipmark_serve.lanes.lanes import Lanes
from shipmark_serve.listening import address, listen
from shipmark_serve.placing import Placed, place
from shipmark_serve.service import Service
from shipmark_serve.settings import Settings, from_environment
from shipmark_serve.watchdog import Reporter

_BEATS = 10
"""Heartbeats in the time that the watchdog bears silence."""
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)

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
        logs.configure(settings.server.log_level, settings.server.log_format)
        _enter(settings.root)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            clean = runner.run(_serve(settings, reporter))
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


def _enter(root: Path) -> None:
    """Work in the package's root: a model may open its files by relative paths."""
    try:
        os.chdir(root)
    except OSError as error:
        raise LoadFailed(
            f"cannot enter the package's root {root}: {error.strerror}",
            hint="set SHIPMARK_ROOT to the directory that holds the package",
        ) from error


async def _serve(settings: Settings, reporter: Reporter) -> bool:
    """Load and serve.

    Returns:
        Whether all inference came to its end.

    Raises:
        ShipmarkError: The model could not be loaded, or the address is taken.
    """
    model, workers = settings.model, settings.serve.workers or 1
    first = reporter.worker == 0
    # The first worker answers while it loads. Others listen when they are ready: what the kernel
    # gives to them would have to wait.
    listener = listen(settings.server, worker=0, workers=workers) if first else None
    health = Health(model.name, model.version)
    shared = region(http=workers, inference=0, descriptor=reporter.shared)
    instruments = Instruments(settings, shared, f"http-{reporter.worker}")
    observer = instruments.observer
    dispatcher = Dispatcher(queue_limit=settings.serve.queue_limit, observer=observer)
    instruments.watch(dispatcher)
    placing = asyncio.create_task(place(settings, dispatcher, health))
    await asyncio.sleep(0)  # it begins, in a thread, while this one imports the rest

    from shipmark_serve.http_server import HttpServer  # noqa: PLC0415 - see above

    service = Service(health, dispatcher, settings.serve, instruments.guard, observer)
    app = App(model, health, service, instruments.page, settings.server.metrics)
    http = HttpServer(app, service, settings.server)
    stopped = asyncio.Event()

    def stop(reason: str) -> None:
        if health.state != "draining":
            _log.info("draining: %s", reason)
            health.state = "draining"
            http.should_exit = True
            stopped.set()

    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop, number.name)
    keeping_up = asyncio.create_task(instruments.run())
    serving = asyncio.create_task(http.serve([listener]) if listener else stopped.wait())
    either: set[asyncio.Future[Any]] = {placing, serving}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not placing.done():
        placing.cancel()
        await serving
        return False
    placed = placing.result()
    if listener is None:
        listener = listen(settings.server, worker=reporter.worker, workers=workers)
        serving = asyncio.create_task(http.serve([listener]))
    app.serve(placed.endpoints.by_path, placed.endpoints.metadata)
    service.serve(placed.servable, placed.endpoints.by_path)
    _announce(settings, placed, listener, reporter.worker)
    if health.state == "loading":
        health.state = "ready"
    silence_s = settings.server.heartbeat_timeout_s
    reporter.ready(silence_s, workers)
    beating = asyncio.create_task(_beat(reporter, silence_s / _BEATS, placed.lanes, stop))
    await serving
    beating.cancel()
    keeping_up.cancel()
    instruments.close()
    return placed.lanes.close()


async def _beat(
    reporter: Reporter, interval_s: float, lanes: Lanes, stop: Callable[[str], None]
) -> None:
    """Tell the watchdog that the server lives, as long as it can still answer."""
    stuck = False
    while True:
        if not lanes.stuck:
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


def _announce(settings: Settings, placed: Placed, listener: socket.socket, worker: int) -> None:
    serve = settings.serve
    workers = f", worker {worker} of {serve.workers}" if (serve.workers or 1) > 1 else ""
    _log.info(
        "ready: %s %s (%s) on %s%s, %s, queue_limit %d, timeout_s %g, max_body_bytes %d",
        settings.model.name,
        settings.model.version,
        settings.model.runtime,
        address(listener),
        workers,
        placed.summary,
        serve.queue_limit,
        serve.timeout_s,
        serve.max_body_bytes,
    )
