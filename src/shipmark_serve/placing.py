"""Loads the model and puts it where it should run."""

import logging
from dataclasses import dataclass
from functools import partial

import msgspec

from shipmark_serve import cpus
from shipmark_serve.contract.schema import Schema
from shipmark_serve.dispatch import Dispatcher
from shipmark_serve.endpoints.endpoints import Endpoints, endpoints_of
from shipmark_serve.health import Health
from shipmark_serve.lanes.lanes import Lanes
from shipmark_serve.lanes.loop import OnLoop
from shipmark_serve.lanes.processes import Processes
from shipmark_serve.lanes.threads import Threads
from shipmark_serve.loading import Loaded, load
from shipmark_serve.placement import Cost, Placement, choose
from shipmark_serve.predictor import Interface
from shipmark_serve.servable import Servable
from shipmark_serve.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Placed:
    """A model in its place."""

    servable: Servable | None
    """What decodes requests here; None where processes do."""
    endpoints: Endpoints
    lanes: Lanes
    summary: str
    """What was chosen, for a person."""


async def place(settings: Settings, dispatcher: Dispatcher, health: Health) -> Placed:
    """Load the model, choose, and let the dispatcher use it.

    The model is loaded by the thread that will run it: some libraries tie a model to its thread.

    Raises:
        ShipmarkError: The model could not be loaded.
    """
    serve = settings.serve
    processors = cpus.available(granted=settings.server.cpus)
    if serve.processes:
        placement = Placement(threads=0, processes=serve.processes, max_batch_size=1)
        return await _in_processes(settings, placement, dispatcher, health)
    threads = Threads()
    threads.grow(1)
    loaded = await threads.call(partial(load, settings))
    placement = choose(
        cost=loaded.cost,
        joins=loaded.servable.joins,
        model_threads=loaded.servable.interface.threads,
        cpus=processors,
        holds_lock=loaded.holds_lock,
        threads=serve.threads,
        processes=serve.processes,
        max_batch_size=serve.max_batch_size,
    )
    if placement.processes:
        threads.close()
        del loaded
        return await _in_processes(settings, placement, dispatcher, health)
    return _in_threads(settings, placement, loaded, threads, dispatcher)


def _in_threads(
    settings: Settings,
    placement: Placement,
    loaded: Loaded,
    threads: Threads,
    dispatcher: Dispatcher,
) -> Placed:
    servable = loaded.servable
    processors = cpus.available(granted=settings.server.cpus)
    threads.grow(placement.threads or 1)
    threads.serve(servable.run, dispatcher.ended, ahead=placement.max_batch_size == 1)
    lanes: Lanes = threads
    if placement.threads == 0:
        rows = placement.max_loop_rows
        lanes = OnLoop(servable.run, dispatcher.ended, max_rows=rows, threads=threads)
    dispatcher.use(
        lanes,
        max_batch_size=placement.max_batch_size,
        max_wait_s=(settings.serve.max_wait_ms or 0.0) / 1000,
        inline=placement.threads == 0,
    )
    endpoints = endpoints_of(settings.model, servable.interface)
    return Placed(servable, endpoints, lanes, _summary(placement, loaded.cost, processors))


async def _in_processes(
    settings: Settings, placement: Placement, dispatcher: Dispatcher, health: Health
) -> Placed:
    serve = settings.serve
    processors = cpus.available(granted=settings.server.cpus)
    processes = Processes(placement.processes, patience_s=settings.server.heartbeat_timeout_s)
    hello = await processes.hello()
    cost = None if hello.base_s is None else Cost(base_s=hello.base_s, row_s=hello.row_s)
    placement = choose(
        cost=cost,
        joins=hello.joins,
        model_threads=1,
        cpus=processors,
        holds_lock=True,
        threads=None,
        processes=placement.processes,
        max_batch_size=serve.max_batch_size,
    )

    def available(some: bool) -> None:
        if health.state != "draining":
            health.state = "ready" if some else "loading"
        dispatcher.wake()

    processes.serve(dispatcher.ended, available, max_batch_size=placement.max_batch_size)
    dispatcher.use(
        processes,
        max_batch_size=placement.max_batch_size,
        max_wait_s=(serve.max_wait_ms or 0.0) / 1000,
        inline=False,
    )
    endpoints = endpoints_of(
        settings.model, Interface(schema=msgspec.json.decode(hello.schema, type=Schema))
    )
    return Placed(None, endpoints, processes, _summary(placement, cost, processors))


def _summary(placement: Placement, cost: Cost | None, processors: int) -> str:
    if placement.processes:
        where = f"processes {placement.processes}"
    elif placement.threads:
        where = f"threads {placement.threads}"
    else:
        where = "on the event loop"
    batching = (
        "not batched"
        if placement.max_batch_size == 1
        else f"batched up to {placement.max_batch_size} rows"
    )
    measured = (
        "not measured"
        if cost is None
        else f"measured {cost.base_s * 1e6:.0f} + {cost.row_s * 1e6:.1f} n us"
    )
    return f"inference {where} of {processors} CPUs, {batching}, {measured}"
