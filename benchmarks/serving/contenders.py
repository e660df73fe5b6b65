"""Everybody who takes part: Shipmark from its source tree and in its image, and the peers."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from benchmarks.serving import ask
from benchmarks.serving.ask import Ask
from benchmarks.serving.environments import environment, installed
from benchmarks.serving.models import Model
from benchmarks.serving.peers import Peer, Setting
from benchmarks.serving.processes import Running, free_port, running
from benchmarks.serving.report import IMAGE, SOURCE, Server
from benchmarks.serving.shipmark import Home, from_source, guarded, packed
from shipmark import __version__

_NAMES = ("shipmark", "uvicorn", "uvloop", "httptools", "msgspec", "onnxruntime", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One server, ready to be started as often as it is measured."""

    server: Server
    models: tuple[str, ...]
    asks: Callable[[Model], tuple[Ask, ...]]
    started: Callable[[Model], AbstractContextManager[Running]]

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return self.server.name


def expected(model: Model) -> list[float]:
    """The right answer."""
    session = onnxruntime.InferenceSession(str(model.path))
    (y,) = session.run(None, {"x": model.row})
    return [float(each) for each in y.ravel()]


def peer(kind: Peer, cache: Path) -> Contender:
    """A peer in an environment of its own.

    Raises:
        Unavailable: It cannot be installed.
    """
    binaries = environment(cache / "peers" / kind.name, kind.requirements)
    names = tuple(each.partition("=")[0].partition("[")[0] for each in kind.requirements)

    @contextmanager
    def started(model: Model) -> Iterator[Running]:
        folder = cache / "work" / kind.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        setting = Setting(bin=binaries, model=model, port=free_port(), folder=folder)
        command = kind.start(setting)
        inherited = {
            "PATH": f"{binaries}:/usr/bin:/bin",
            "HOME": str(folder),
            "BENCH_MODEL": str(model.path),
            "PORT": str(setting.port),
            "ORT_DISABLE_TELEMETRY": "1",
        }
        with running(
            command.arguments,
            inherited | command.environment,
            folder=folder,
            port=setting.port,
            first=kind.asks(model)[0],
            expected=expected(model),
            ready_s=kind.ready_s,
        ) as server:
            yield server

    return Contender(
        server=Server(
            name=kind.name,
            title=kind.title,
            about=kind.about,
            versions=installed(binaries, names),
        ),
        models=kind.models,
        asks=kind.asks,
        started=started,
    )


def shipmark_source(cache: Path) -> Contender:
    """Shipmark from this source tree."""

    @contextmanager
    def started(model: Model) -> Iterator[Running]:
        place = packed(cache / "packages", model)
        with from_source(place, shipmark_asks(model)[0], expected(model)) as server:
            yield server

    return Contender(
        server=Server(
            name=SOURCE,
            title="**Shipmark**, source tree",
            about="defaults; guard, metrics, limits and request ids on",
            versions=installed(Path(sys.executable).parent, _NAMES),
        ),
        models=("iris", "mlp", "conv"),
        asks=shipmark_asks,
        started=started,
    )


def shipmark_image(cache: Path, models: dict[str, Model]) -> Contender:
    """Shipmark in the images that it builds of the same packages, started by `shipmark up`."""
    home = Home(cache / "home")
    for model in models.values():
        home.build(packed(cache / "packages", model))

    @contextmanager
    def started(model: Model) -> Iterator[Running]:
        place = cache / "packages" / model.name
        with home.up(place, shipmark_asks(model)[0], expected(model)) as server:
            yield server

    return Contender(
        server=Server(
            name=IMAGE,
            title="**Shipmark**, image",
            about="the image in its sandbox, by `shipmark up`; otherwise the same",
            versions={"shipmark": __version__},
        ),
        models=tuple(models),
        asks=shipmark_asks,
        started=started,
    )


def shipmark_asks(model: Model) -> tuple[Ask, ...]:
    """How Shipmark is asked."""
    asks = (ask.plain(model), ask.v2(model), ask.v2_binary(model))
    return tuple(map(guarded, asks))
