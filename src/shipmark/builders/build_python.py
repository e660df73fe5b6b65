"""The Python that compiles bytecode: Debian's, of the lock, run from the store without installing.

It is the interpreter of the image, built for this host's processor, started by its own dynamic
loader, so any Linux can run it. Other systems cannot. Its modules lie in one zip, for it is
unpacked once and starts often.
"""

import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from threading import Lock as Mutex
from zipfile import ZipFile

from shipmark import digest as digests
from shipmark.builders.deb_pool import DebPool
from shipmark.errors import BuildError
from shipmark.lock.lock import Lock
from shipmark.oci.descriptor import canonical
from shipmark.oci.layer import Entry, File, Symlink
from shipmark.store import Store
from shipmark.store.disk import explained

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_LIBRARIES = {"amd64": "usr/lib/x86_64-linux-gnu", "arm64": "usr/lib/aarch64-linux-gnu"}
_LOADERS = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}
_REVISION = 2


@dataclass(frozen=True, slots=True)
class Interpreter:
    """How to start it: a command to which options are added, and its whole environment."""

    command: tuple[str, ...]
    environment: dict[str, str]


class BuildPython:
    """Unpacks the interpreter when it is first asked for.

    Args:
        lock: Names the packages, per processor architecture of the host.
        store: Takes the unpacked interpreter.
        pool: Reads the packages.
    """

    def __init__(self, lock: Lock, store: Store, pool: DebPool) -> None:
        self.python = lock.python
        self.exact = lock.python_exact
        self._lock = lock
        self._store = store
        self._pool = pool
        self._mutex = Mutex()
        self._running_mutex = Mutex()
        self._running: set[Popen[bytes]] = set()
        self._stopped = False

    @contextmanager
    def running(self, process: Popen[bytes]) -> Iterator[None]:
        """While a process of the interpreter runs: `stop` kills it."""
        with self._running_mutex:
            self._running.add(process)
            if self._stopped:
                process.kill()
        try:
            yield
        finally:
            with self._running_mutex:
                self._running.discard(process)

    def stop(self) -> None:
        """Kill what runs, and what will be started."""
        with self._running_mutex:
            self._stopped = True
            for process in self._running:
                process.kill()

    def interpreter(self) -> Interpreter:
        """The interpreter, ready to run.

        Raises:
            BuildError: This host cannot run one, or the lock has none for it.
        """
        architecture = host_architecture(self._lock)
        packages = self._lock.build_python[architecture]
        key = digests.of_bytes(
            canonical({"r": _REVISION, "debs": [deb.sha256 for deb in packages]})
        )
        root = self._store.tool(key)
        with self._mutex:
            if not root.is_dir():
                entries = (entry for read in self._pool.read(packages) for entry in read.entries)
                blobs = [digests.from_hex(deb.sha256) for deb in packages]
                self._store.remember("tool", key, b"{}", blobs=blobs)  # for gc
                _unpack(entries, root, self.python, self._store)
        libraries = root / _LIBRARIES[architecture]
        loader = libraries / _LOADERS[architecture]
        program = root / "usr/bin" / f"python{self.python}"
        return Interpreter(
            (str(loader), "--library-path", str(libraries), str(program)),
            {"PYTHONHOME": str(root / "usr"), "PYTHONHASHSEED": "0"},
        )


def host_architecture(lock: Lock) -> str:
    """Which of the lock's build Pythons runs on this host.

    Raises:
        BuildError: None does.
    """
    if not sys.platform.startswith("linux"):
        raise BuildError(
            f"tried to compile bytecode: Debian's Python runs on Linux, not {sys.platform}",
            hint="build on Linux, or in a Linux container or virtual machine",
        )
    machine = platform.machine()
    architecture = _ARCHITECTURES.get(machine, machine)
    if architecture not in lock.build_python or architecture not in _LOADERS:
        known = ", ".join(sorted(lock.build_python))
        raise BuildError(
            f"tried to compile bytecode: the lock has a Python for {known}, not for {machine}",
            hint="build on a host of one of these architectures",
        )
    return architecture


def _unpack(entries: Iterable[Entry], root: Path, python: str, store: Store) -> None:
    library = f"usr/lib/python{python}/"
    with store.scratch() as scratch:
        folder = scratch / "root"
        modules = folder / "usr/lib" / f"python{python.replace('.', '')}.zip"
        modules.parent.mkdir(parents=True)
        with explained(root), ZipFile(modules, "x") as archive:
            for entry in entries:
                if isinstance(entry, File) and entry.path.startswith(library):
                    inner = entry.path.removeprefix(library)
                    if inner.startswith("lib-dynload/"):
                        _write(entry, folder / entry.path)
                    elif inner.endswith(".py"):
                        archive.writestr(inner, entry.read())
                elif entry.path.startswith(("usr/bin/python", "usr/lib/")):
                    _write(entry, folder / entry.path)
        store.place(folder, root)


def _write(entry: Entry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(entry, File):
        # Never through a link that an earlier package left there: "x" refuses what exists.
        with path.open("xb") as target:
            target.write(entry.read())
        path.chmod(0o755 if entry.executable else 0o644)
    elif isinstance(entry, Symlink) and "/" not in entry.target and entry.target != "..":
        # Links of libraries stay in their directory; others are not needed here.
        path.symlink_to(entry.target)
