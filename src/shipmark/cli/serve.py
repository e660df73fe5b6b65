"""`shipmark serve`: run a package from its source directory, for development."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import click
import msgspec
import watchfiles

from shipmark.builders.venv import environment
from shipmark.cli.failure import report
from shipmark.cli.flow import lock_package, opened, yard
from shipmark.cli.output import Output, with_output
from shipmark.cli.platforms import host_platform
from shipmark.errors import PackageError, ShipmarkError
from shipmark.lock import materials
from shipmark.progress import Progress

GRACE_S = 10.0


@click.command()
@click.argument("path", default=".")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option("--reload", is_flag=True, help="Start again whenever a file of the package changes.")
@with_output
def command(output: Output, *, path: str, port: int, reload: bool) -> None:
    """Serve the package at PATH (a directory or a model file) straight from where it lies.

    The server and the wheels are those of the lock, in a virtual environment of their own; only the
    Python is this host's. There is no sandbox here: this is for code you are writing yourself.
    """
    root = _root(path)
    # Ended by a terminal or by a supervisor, the server goes first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="shipmark-serve-") as scratch:
        description = Path(scratch) / "model.json"
        while True:
            server = None
            try:
                python = _prepare(path, output.progress, description)
                server = _start(python, description, root, port)
                output.progress.step(f"serving {path} on http://127.0.0.1:{port} (Ctrl-C stops it)")
            except ShipmarkError as error:
                if not reload:
                    raise
                report(error, as_json=output.as_json)
            try:
                if server is not None and not reload:
                    raise SystemExit(max(server.wait(), 0))
                changed = _next_change(root)
            finally:
                if server is not None:
                    _stop(server)
            output.progress.step(f"{changed} changed; starting again")


def _root(path: str) -> Path:
    root = Path(path)
    if root.is_dir():
        return root.absolute()
    if root.suffix == ".zip" or path == "-":
        raise PackageError(
            "a zip cannot be served from its source directory",
            hint=f"run its image: shipmark up {path}, or unzip it first",
        )
    return root.absolute().parent


def _prepare(path: str, progress: Progress, description: Path) -> Path:
    with yard(progress) as place:
        with opened(path) as package:
            lock = lock_package(package, place)
        platforms = (host_platform(),)
        materials.obtain(
            lock, platforms, store=place.store, sources=place.sources, progress=progress
        )
        description.write_bytes(msgspec.json.encode(lock.model))
        folder = place.home.cache / "environments"
        return environment(lock, host_platform(), store=place.store, folder=folder)


def _start(python: Path, description: Path, root: Path, port: int) -> subprocess.Popen[bytes]:
    environ = {
        **os.environ,
        "SHIPMARK_MODEL": str(description),
        "SHIPMARK_ROOT": str(root),
        "SHIPMARK_HOST": "127.0.0.1",
        "PORT": str(port),
    }
    return subprocess.Popen([python, "-P", "-s", "-m", "shipmark_serve"], env=environ, cwd=root)


def _next_change(root: Path) -> str:
    """Wait until a file that matters changes; its path relative to the package."""
    for changes in watchfiles.watch(root, watch_filter=_matters):
        return str(Path(min(path for _, path in changes)).relative_to(root))
    raise KeyboardInterrupt


def _matters(change: watchfiles.Change, path: str) -> bool:
    return not path.endswith(("shipmark.lock", "shipmark.lock.new")) and _DEFAULT_FILTER(
        change, path
    )


_DEFAULT_FILTER = watchfiles.DefaultFilter()


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        return
    server.terminate()
    try:
        server.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
