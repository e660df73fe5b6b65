"""`shipmark profile`: print where an ONNX model spends its time, by operator."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from shipmark.builders.venv import environment
from shipmark.cli.flow import Yard, lock_package, opened, yard
from shipmark.cli.output import Output, with_output
from shipmark.cli.platforms import host_platform
from shipmark.errors import PackageError, ServeError
from shipmark.lock import Lock, materials
from shipmark.package import Package
from shipmark_serve.contract.profile import Profile, Spent

_SHOWN_NODES = 10


@click.command()
@click.argument("path", default=".")
@click.option(
    "--runs",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How often the model is run.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run it on N made-up rows. Default: on its golden records, or 1 row where it has none.",
)
@with_output
def command(output: Output, *, path: str, runs: int, rows: int | None) -> None:
    """Run the ONNX model of the package at PATH and print which operators take how long.

    It is run as it is served, on one thread, by the onnxruntime of the lock, in a virtual
    environment of its own on this host.
    """
    with (
        yard(output.progress) as place,
        opened(path) as package,
        tempfile.TemporaryDirectory(prefix="shipmark-profile-") as scratch,
    ):
        if package.model.runtime != "onnx":
            raise PackageError(
                f"{package.name} is a {package.model.runtime} model: only operators of ONNX can be "
                "profiled",
                hint="profile Python code with py-spy or cProfile",
            )
        lock = lock_package(package, place)
        root = Path(scratch)
        _copy(package, root)
        found = _run(_python(lock, place), lock, root, runs=runs, rows=rows)
    output.result(msgspec.to_builtins(found), _text(found))


def _copy(package: Package, root: Path) -> None:
    golden = set(package.model.golden)
    for file in (*package.weights, *(file for file in package.code if file.path in golden)):
        target = root / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with package.source.open(file.path) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)


def _python(lock: Lock, place: Yard) -> Path:
    platform = host_platform()
    materials.obtain(
        lock, (platform,), store=place.store, sources=place.sources, progress=place.progress
    )
    place.progress.step(f"running {lock.model.name}")
    return environment(lock, platform, store=place.store, folder=place.home.cache / "environments")


def _run(python: Path, lock: Lock, root: Path, *, runs: int, rows: int | None) -> Profile:
    description = root / ".model.json"
    description.write_bytes(msgspec.json.encode(lock.model))
    asked = ["--runs", str(runs), *(() if rows is None else ("--rows", str(rows)))]
    done = subprocess.run(
        [python, "-P", "-s", "-m", "shipmark_serve.profiling", *asked],
        env={**os.environ, "SHIPMARK_MODEL": str(description), "SHIPMARK_ROOT": str(root)},
        cwd=root,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ServeError(f"cannot profile {lock.model.name}: {said}")
    return msgspec.json.decode(done.stdout, type=Profile)


def _text(found: Profile) -> str:
    head = (
        f"{found.model} {found.version}, {found.library}, {found.inputs}, {found.runs} runs: "
        f"{_time(found.run_s)} a run"
    )
    tables = [_table("operator", found.operators)]
    if len(found.nodes) > len(found.operators):
        tables.append(_table("node", found.nodes[:_SHOWN_NODES]))
        if len(found.nodes) > _SHOWN_NODES:
            tables.append(f"and {len(found.nodes) - _SHOWN_NODES} more nodes (--json has them all)")
    return "\n\n".join([head, *tables])


def _table(title: str, lines: Sequence[Spent]) -> str:
    rows = [
        (each.name, f"{each.share:.1%}", _time(each.seconds), str(each.calls)) for each in lines
    ]
    head = (title, "share", "a run", "calls")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    )


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.3f} ms"
