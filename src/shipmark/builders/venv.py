"""Lock -> a virtual environment on this host, for development.

The wheels are the image's own, by hash; only the interpreter is the host's.
"""

import hashlib
import subprocess
from pathlib import Path

from uv import find_uv_bin

from shipmark import digest as digests
from shipmark.errors import BuildError, TargetUnavailable
from shipmark.lock.lock import Lock, Wheel
from shipmark.store import Store


def environment(lock: Lock, platform: str, *, store: Store, folder: Path) -> Path:
    """Make (or find) the environment of `lock` below `folder`; returns its Python.

    Raises:
        BuildError: The lock has no wheels for `platform`, or a wheel cannot be installed.
        TargetUnavailable: This host has no Python of the lock's minor version.
    """
    if platform not in lock.platforms:
        raise BuildError(
            f"the lock has no wheels for {platform}",
            hint=f"lock it for this host: shipmark lock --platform {platform}",
        )
    wheels = (*lock.platforms[platform].wheels, lock.server)
    named = "\n".join(sorted(wheel.sha256 for wheel in wheels))
    key = hashlib.sha256(f"{lock.python}\n{named}".encode()).hexdigest()[:16]
    target = folder / key
    python = target / "bin" / "python"
    with store.locked(f"venv-{key}"):
        if not (target / "complete").exists():
            _make(lock, wheels, store, target)
            (target / "complete").touch()
    return python


def _make(lock: Lock, wheels: tuple[Wheel, ...], store: Store, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    uv = [find_uv_bin(), "--offline", "--no-config", "--quiet"]
    made = subprocess.run(
        [*uv, "venv", "--clear", "--no-python-downloads", "--python", lock.python, str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise TargetUnavailable(
            f"this host has no Python {lock.python}, which the lock asks for: "
            f"{made.stderr.strip()}",
            hint=f"install python{lock.python}, or run the image: shipmark up",
        )
    with store.scratch() as scratch:
        files = []
        for wheel in wheels:
            file = scratch / wheel.filename
            file.symlink_to(store.path(digests.from_hex(wheel.sha256)))
            files.append(str(file))
        installed = subprocess.run(
            [*uv, "pip", "install", "--python", str(target), "--no-deps", "--no-index", *files],
            capture_output=True,
            text=True,
            check=False,
        )
    if installed.returncode != 0:
        raise BuildError(f"the wheels cannot be installed: {installed.stderr.strip()}")
