"""A virtual environment for each peer, in a folder that is kept from run to run."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

_INSTALL_S = 900


class Unavailable(Exception):
    """A peer cannot be had here; the message is the reason."""


def environment(folder: Path, requirements: tuple[str, ...]) -> Path:
    """The `bin` of an environment with exactly `requirements` and what they need.

    Raises:
        Unavailable: They cannot be installed.
    """
    key = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()
    mark = folder / ".made-for"
    if mark.exists() and mark.read_text() == key:
        return folder / "bin"
    _run("venv", "--quiet", "--clear", "--python", f"{sys.base_prefix}/bin/python3", str(folder))
    python = str(folder / "bin" / "python")
    _run("pip", "install", "--quiet", "--python", python, *requirements)
    mark.write_text(key)
    return folder / "bin"


def installed(binaries: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The versions of some distributions in an environment."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    )
    done = subprocess.run(
        [binaries / "python", "-c", code, *names], capture_output=True, text=True, check=True
    )
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


def _run(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_INSTALL_S
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"installing it took more than {_INSTALL_S} s") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise Unavailable("it cannot be installed: " + " ".join(lines[-3:]))
