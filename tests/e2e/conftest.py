"""The command line as a user has it: a real process, a home of its own, a shared download cache."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SHIPMARK = Path(sys.executable).parent / "shipmark"
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class CommandLine:
    """`shipmark` with the settings of one imaginary user."""

    environ: dict[str, str]
    prefix: tuple[str, ...] = ()
    cwd: Path | None = None
    umask: int = field(default=-1)

    def run(
        self, *args: str | Path, stdin: bytes | None = None, timeout_s: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end, whatever its exit code."""
        done = subprocess.run(
            [*self.prefix, str(SHIPMARK), *map(str, args)],
            env=self.environ,
            cwd=self.cwd,
            umask=self.umask,
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def ok(self, *args: str | Path, stdin: bytes | None = None) -> str:
        """Run, expect success, and give standard output."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *args: str | Path, stdin: bytes | None = None) -> Any:
        """Run with `--json` and parse what came."""
        return json.loads(self.ok(*args, "--json", stdin=stdin))

    def refused(self, *args: str | Path, stdin: bytes | None = None) -> str:
        """Run, expect a refusal without a traceback, and give its words."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode not in {0, 70}, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done.stderr


def environment(home: Path, cache: Path) -> dict[str, str]:
    """The environment of a user whose things lie below `home`, with a shared download cache."""
    environ = {key: value for key, value in os.environ.items() if key != "SHIPMARK_HOME"}
    environ |= {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(cache),
    }
    return environ


@pytest.fixture(scope="session")
def download_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One download cache for the whole run, workers of xdist included."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    cache = shared / "download-cache"
    cache.mkdir(exist_ok=True)
    return cache


@pytest.fixture(scope="module")
def shipmark(
    tmp_path_factory: pytest.TempPathFactory, download_cache: Path
) -> Iterator[CommandLine]:
    """A user of this module's own; whatever still runs at the end is taken down."""
    home = tmp_path_factory.mktemp("user")
    line = CommandLine(environment(home, download_cache), cwd=home)
    yield line
    for deployment in line.json("ps"):
        line.run("down", deployment["name"])


def copied(example: str, folder: Path) -> Path:
    """A copy of an example's files below `folder`, without any lock; the path of the package."""
    if example.endswith(".onnx"):
        for name in (example, example.replace(".onnx", ".golden.json")):
            shutil.copy(EXAMPLES / name, folder)
    else:
        ignored = shutil.ignore_patterns("shipmark.lock", "__pycache__")
        shutil.copytree(EXAMPLES / example, folder / example, ignore=ignored)
    return folder / example


def post(url: str, body: bytes | str | object, content_type: str = "application/json") -> Any:
    """POST and parse the answer; text stays text."""
    if isinstance(body, str) and content_type != "application/json":
        data = body.encode()
    else:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"content-type": content_type})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = response.read()
        if response.headers.get_content_type() == "application/json":
            return json.loads(answer)
        return answer.decode()
