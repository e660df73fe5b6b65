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
from typing import Any

import uvloop

from shipmark_serve import cpus, logs
from shipmark_serve.app import App
from shipmark_serve.call import Endpoint
from shipmark_serve.contract.errors import LoadFailed, ShipmarkError
from shipmark_serve.dispatch import Dispatcher
from shipmark_serve.endpoints.predict import Predict
from shipmark_serve.endpoints.v2.infer import Infer
from shipmark_serve.health import Health
from shipmark_serve.instruments import Instruments, region
from shipmark_serve.lanes.loop import OnLoop
from shipmark_serve.lanes.threads import Threads
from shipmark_serve.loading import Loaded, load
from shipmark_serve.placement import Placement, choose
from shipmark_serve.service import Service
from shipmark_serve.settings import Settings, from_environment
from shipmark_serve.watchdog import Reporter

_BACKLOG = 2048
_BEATS = 10
"""Heartbeats in the time that the watchdog bears silence."""
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_NOT_YET = ("workers", "processes")
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
        logs.configure(settings.server.log_level, settings.server.log_format)
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
    model = settings.model
    health = Health(model.name, model.version)
    instruments = Instruments(settings, region(http=1, inference=0), "http-0")
    threads = Threads()
    # The model is loaded by the thread that will run it, while this one imports the rest: some
    # libraries tie a model to its thread.
    threads.grow(1)
    loaded = threads.call(partial(load, settings))
    await asyncio.sleep(0)

    from shipmark_serve.http_server import HttpServer  # noqa: PLC0415 - see above

    observer = instruments.observer
    dispatcher = Dispatcher(queue_limit=settings.serve.queue_limit, observer=observer)
    instruments.watch(dispatcher)
    service = Service(health, dispatcher, settings.serve, instruments.guard, observer)
    app = App(model, health, service, instruments.page, settings.server.metrics)
    http = HttpServer(app, service, settings.server)

    def stop(reason: str) -> None:
        if health.state != "draining":
            _log.info("draining: %s", reason)
            health.state = "draining"
            http.should_exit = True

    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop, number.name)
    serving = asyncio.create_task(http.serve([listener]))
    keeping_up = asyncio.create_task(instruments.run())
    either: set[asyncio.Future[Any]] = {loaded, serving}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if loaded.done():
        placement = _place(settings, loaded.result(), threads, dispatcher)
        _open(settings, loaded.result(), service, app)
        _announce(settings, placement, loaded.result(), listener)
        if health.state == "loading":
            health.state = "ready"
        silence_s = settings.server.heartbeat_timeout_s
        reporter.ready(silence_s)
        beating = asyncio.create_task(_beat(reporter, silence_s / _BEATS, threads, stop))
        await serving
        beating.cancel()
    serving.result()
    keeping_up.cancel()
    instruments.close()
    return threads.close()


def _place(
    settings: Settings, loaded: Loaded, threads: Threads, dispatcher: Dispatcher
) -> Placement:
    """Decide where inference runs, and let the dispatcher use it."""
    servable, serve = loaded.servable, settings.serve
    placement = choose(
        cost=loaded.cost,
        joins=servable.joins,
        model_threads=servable.interface.threads,
        cpus=cpus.available(),
        threads=serve.threads,
        max_batch_size=serve.max_batch_size,
    )
    threads.grow(placement.threads or 1)
    batching = placement.max_batch_size > 1
    threads.serve(servable.run, dispatcher.ended, ahead=not batching)
    on_loop = placement.threads == 0
    dispatcher.use(
        OnLoop(servable.run, dispatcher.ended, max_rows=placement.max_loop_rows, threads=threads)
        if on_loop
        else threads,
        max_batch_size=placement.max_batch_size,
        max_wait_s=(serve.max_wait_ms or 0.0) / 1000,
        inline=on_loop,
    )
    return placement


def _open(settings: Settings, loaded: Loaded, service: Service, app: App) -> None:
    """Let requests come to the model."""
    model, servable = settings.model, loaded.servable
    infer = Infer(model, servable.interface)
    name = f"/v2/models/{model.name}"
    endpoints: dict[str, Endpoint] = {
        "/predict": Predict(servable.interface),
        f"{name}/infer": infer,
        f"{name}/versions/{model.version}/infer": infer,
    }
    app.serve(endpoints, infer.metadata)
    service.serve(servable, endpoints)


async def _beat(
    reporter: Reporter, interval_s: float, threads: Threads, stop: Callable[[str], None]
) -> None:
    """Tell the watchdog that the server lives, as long as it can still answer."""
    stuck = False
    while True:
        if not threads.stuck:
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


def _announce(
    settings: Settings, placement: Placement, loaded: Loaded, listener: socket.socket
) -> None:
    serve = settings.serve
    cost = loaded.cost
    _log.info(
        "ready: %s %s (%s) on %s, inference %s, %s, %s, queue_limit %d, timeout_s %g, "
        "max_body_bytes %d",
        settings.model.name,
        settings.model.version,
        settings.model.runtime,
        _address(listener),
        f"threads {placement.threads} of {cpus.available()} CPUs"
        if placement.threads
        else "on the event loop",
        "not batched"
        if placement.max_batch_size == 1
        else f"batched up to {placement.max_batch_size} rows",
        "not measured"
        if cost is None
        else f"measured {cost.base_s * 1e6:.0f} + {cost.row_s * 1e6:.1f} n us",
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
