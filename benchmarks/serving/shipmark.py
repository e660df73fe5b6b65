"""Shipmark itself, with its guard on: from the source tree, and in the image that `up` starts."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from benchmarks.serving.ask import Ask
from benchmarks.serving.models import Model
from benchmarks.serving.processes import Failed, Running, answers, free_port, running
from shipmark import package

TOKEN = "benchmark-" + hashlib.sha256(b"shipmark").hexdigest()[:24]
"""Opens nothing but servers of this benchmark."""
_READY_S = 30.0
_PROGRAM = Path(sys.executable).with_name("shipmark")


def guarded(ask: Ask) -> Ask:
    """The same, from somebody who may ask."""
    return replace(ask, headers={**ask.headers, "Authorization": f"Bearer {TOKEN}"})


def packed(folder: Path, model: Model) -> Path:
    """A package of the model's file and the digest of the token."""
    place = folder / model.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    shutil.copy(model.path, place)
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    (place / "tokens").write_text(f"sha256:{digest} benchmark\n")
    (place / "shipmark.toml").write_text(f'[model]\nname = "{model.name}"\nversion = "1"\n')
    return place


@contextmanager
def from_source(
    place: Path,
    first: Ask,
    expected: list[float],
    *,
    program: tuple[str, ...] = ("-m", "shipmark_serve"),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Serve a package straight from the source tree.

    Args:
        place: The package.
        first: What it is asked until it answers.
        expected: What it answers.
        program: What Python runs.
        settings: More of the environment.

    Raises:
        Failed: It does not start, or answers wrongly.
    """
    work = place.parent / f"{place.name}.work"
    work.mkdir(exist_ok=True)
    read = package.read(place)
    try:
        (work / "model.json").write_bytes(msgspec.json.encode(read.model))
    finally:
        read.source.close()
    port = free_port()
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "SHIPMARK_MODEL": str(work / "model.json"),
        "SHIPMARK_ROOT": str(place),
        "SHIPMARK_HOST": "127.0.0.1",
        "PORT": str(port),
        "SHIPMARK_TOKENS_FILE": str(place / "tokens"),
        **(settings or {}),
    }
    with running(
        (sys.executable, "-s", *program),
        environment,
        folder=work,
        port=port,
        first=first,
        expected=expected,
        ready_s=_READY_S,
    ) as server:
        yield server


class Home:
    """A home of Shipmark's own, in which images are built and started.

    Args:
        folder: Holds it, from run to run.
    """

    def __init__(self, folder: Path) -> None:
        self._environment = {**os.environ, "SHIPMARK_HOME": str(folder)}

    def build(self, place: Path) -> None:
        """Build the image of a package."""
        self._run("build", str(place))

    @contextmanager
    def up(self, place: Path, first: Ask, expected: list[float]) -> Iterator[Running]:
        """Start an image that was built, in its sandbox."""
        port = free_port()
        begun = time.monotonic()
        try:
            said = self._run(
                "up", place.name, "--port", str(port), "--json",
                "-e", "SHIPMARK_TOKENS_FILE=/app/tokens",
            )  # fmt: skip
            while not answers(port, first, expected):
                if time.monotonic() - begun > _READY_S:
                    raise Failed(f"shipmark up {place.name} does not answer")
                time.sleep(0.02)
            start_s = time.monotonic() - begun
            yield Running(pid=json.loads(said)["pid"], port=port, start_s=start_s)
        finally:
            self._run("down", place.name)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [_PROGRAM, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode != 0:
            raise Failed(
                f"shipmark {' '.join(arguments)}: {done.stdout[-800:]}{done.stderr[-800:]}"
            )
        return done.stdout
