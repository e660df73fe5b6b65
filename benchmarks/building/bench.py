"""Both builders and what they build, made ready for one kind of build after the other."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.building.asking import answer, free_port
from benchmarks.building.engine import Docker
from benchmarks.building.index import serving
from benchmarks.building.processes import Failed, Finished, resident, watched
from benchmarks.building.scenarios import Kind
from benchmarks.building.shipmark import Shipmark
from benchmarks.building.workload import Workload
from shipmark.cli.platforms import host_platform
from shipmark.lock import text
from shipmark.lock.lock import Lock


class Bench:
    """Two homes of Shipmark, one engine, two packages.

    Args:
        folder: Takes all of it.
        docker: The engine.
        ballast_bytes: Random weights of the large package.
    """

    def __init__(self, folder: Path, docker: Docker, *, ballast_bytes: int) -> None:
        self.ballast_bytes = ballast_bytes
        self._docker = docker
        self._warm = Shipmark(folder / "warm")
        self._cold = Shipmark(folder / "cold")
        """Its store is emptied before each build that is timed."""
        self._small = Workload(folder / "small")
        self._large = Workload(folder / "large", ballast_bytes=ballast_bytes)
        self._primer = _primer(folder / "primer")

    @contextmanager
    def ready(self) -> Iterator[Lock]:
        """Download, lock and build everything once, with both; gives the lock.

        Raises:
            Failed: pip does not find all wheels in its cache, or the images do not do the same.
        """
        self._docker.make_base()
        for workload in (self._small, self._large):
            self._warm.build(workload.app)
            self._cold.build(workload.app)
            workload.take_over(text.read(workload.app / "shipmark.lock"), host_platform())
        self._cold.build(self._primer)
        lock = text.read(self._small.app / "shipmark.lock")
        with serving(lock, host_platform(), self._warm.store) as index:
            self._docker.use_index(index)
            for workload in (self._small, self._large):
                self._docker.build(workload.folder)
            self._check_cache()
            self._check_same()
            yield lock

    def _check_cache(self) -> None:
        self._docker.forget()
        said = self._docker.build(self._small.folder).output
        if "Using cached numpy" not in said or "Downloading" in said:
            raise Failed(f"pip's cache is not warm:\n{said}")

    def _check_same(self) -> None:
        port = free_port()
        with self._docker.running(self._small.folder.name, port):
            theirs = answer(f"http://127.0.0.1:{port}")
        with self._warm.running(self._small.app) as address:
            ours = answer(address)
        if ours != theirs:
            raise Failed(f"the two images do not do the same: {ours!r} and {theirs!r}")

    def round(self, kind: Kind, *, docker_first: bool) -> tuple[Finished, Finished]:
        """One build by Shipmark and one by Docker."""
        ours, theirs = self._prepared(kind)
        if docker_first:
            docker = _undisturbed(theirs)
            return _undisturbed(ours), docker
        shipmark = _undisturbed(ours)
        return shipmark, _undisturbed(theirs)

    def memory(self, kind: Kind) -> tuple[Finished, int]:
        """One build by each, which is watched and not timed; by how many bytes Docker grew."""
        ours, theirs = self._prepared(kind, watch=True)
        shipmark = ours()
        before = resident(self._docker.engine)
        with watched(self._docker.engine) as peak:
            client = theirs()
        return shipmark, peak.together_bytes - before + client.largest_bytes

    def _prepared(
        self, kind: Kind, *, watch: bool = False
    ) -> tuple[Callable[[], Finished], Callable[[], Finished]]:
        workload = self._large if kind.large else self._small
        shipmark = self._cold if kind.cold else self._warm
        if kind.large:
            # Each change is kept several times; without this the disk fills.
            self._warm.call("gc")
            self._docker.prune()
        if kind.cold:
            shipmark.forget()
            self._docker.forget()
        if kind.base_there:
            shipmark.build(self._primer)
        match kind.change:
            case "code":
                workload.change_code()
            case "weights":
                workload.change_weights()
            case "nothing":
                pass
        return (
            lambda: shipmark.build(workload.app, watch=watch),
            lambda: self._docker.build(workload.folder),
        )


def _undisturbed(build: Callable[[], Finished]) -> Finished:
    """Nobody pays for what another left to be written."""
    os.sync()
    return build()


def _primer(folder: Path) -> Path:
    """Another package on the same base."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text("def predict(text: str) -> str:\n    return text\n")
    return folder
