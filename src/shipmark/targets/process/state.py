"""What is known of a deployment, in one directory: the whole interface between its processes.

    <state root>/deployments/<name>/     mode 0700
        deployment.json   Desired: the deployment, and whether it should run    written by the CLI
        launch.json       Launch: where its layers lie and how it starts        written by the CLI
        status.json       Observed: what the supervisor last saw                written by it
        lock              a record lock on it is held as long as the supervisor lives
        log, log.1        stdout and stderr of the model, bounded (see `log`)

Each JSON file is written beside and renamed, so a reader never sees half of one. The directory
appears whole, by a rename, and goes the same way, so a deployment exists or it does not. The
environment of a deployment may hold secrets: it lies in deployment.json and nowhere else.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import struct
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from shipmark.deploy.deployment import Deployment
from shipmark.deploy.status import LimitStatus, ObservedState
from shipmark.errors import DeployError
from shipmark_serve.contract.records import Record

_R = TypeVar("_R", bound=msgspec.Struct)

# struct flock: type, whence, start, length, holder; the kernel tells who holds a record lock.
_FLOCK = struct.Struct("hhqqi0q")


class Desired(Record, frozen=True, kw_only=True):
    """deployment.json."""

    deployment: Deployment
    running: bool = True


class Launch(Record, frozen=True, kw_only=True):
    """launch.json: what the supervisor needs and could not know without the store."""

    layers: tuple[str, ...]
    """Unpacked layers, lowest first."""
    argv: tuple[str, ...]
    env: dict[str, str]
    """The image's own environment; the deployment's comes on top."""
    workdir: str
    stop_signal: int
    ready_timeout_s: float
    required_limits: tuple[str, ...] = ()
    """Limits without which it must not start."""


class Observed(Record, frozen=True, kw_only=True):
    """status.json."""

    state: ObservedState
    ready: bool = False
    port: int | None = None
    pid: int | None = None
    restarts: int = 0
    started_at_s: float | None = None
    error: str | None = None
    host_refused: bool = False
    """The error is the host's doing (namespaces, mounts), not the model's."""
    limits: tuple[LimitStatus, ...] = ()
    cgroups: tuple[str, ...] = ()
    """Groups to remove, should the supervisor be killed before it could."""


class StateDirectory:
    """The directory of one deployment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self._status = path / "status.json"
        self._lock = path / "lock"

    @property
    def name(self) -> str:
        """The deployment's name."""
        return self.path.name

    @property
    def identity(self) -> str:
        """A name for things outside the directory, unique among state directories."""
        return f"{self.name}-{hashlib.sha256(bytes(self.path)).hexdigest()[:8]}"

    def exists(self) -> bool:
        """Whether there is such a deployment."""
        return (self.path / "deployment.json").exists()

    # -- records -------------------------------------------------------------------------

    def desired(self) -> Desired | None:
        """deployment.json; None where there is no such deployment."""
        return _read(self.path / "deployment.json", Desired)

    def launch(self) -> Launch | None:
        """launch.json."""
        return _read(self.path / "launch.json", Launch)

    def observed(self) -> Observed | None:
        """status.json; None before a supervisor wrote one."""
        return _read(self._status, Observed)

    def status_version(self) -> tuple[int, int]:
        """Changes whenever status.json does, and is quick to ask for."""
        try:
            info = self._status.stat()
        except FileNotFoundError:
            return (0, 0)
        return (info.st_ino, info.st_mtime_ns)

    def write(self, record: Desired | Launch | Observed) -> None:
        """Write the file of this record."""
        _write(self.path, record)

    # -- the whole directory -------------------------------------------------------------

    def create(self, desired: Desired, launch: Launch) -> bool:
        """Make the directory; False where the name is taken."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._beside()
        beside.mkdir(mode=0o700)
        try:
            _write(beside, desired)
            _write(beside, launch)
            try:
                beside.rename(self.path)
            except OSError:
                return False
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return True

    def destroy(self) -> None:
        """Remove the directory."""
        beside = self._beside()
        with suppress(FileNotFoundError):
            self.path.rename(beside)
        shutil.rmtree(beside, ignore_errors=True)

    def _beside(self) -> Path:
        return self.path.with_name(f".{self.name}.{secrets.token_hex(4)}")

    # -- the supervisor's lock -----------------------------------------------------------

    def acquire(self) -> int | None:
        """Take the supervisor's lock; gives its descriptor, to be kept open, or None."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    def supervisor(self) -> int | None:
        """Process number of the living supervisor."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
        finally:
            os.close(descriptor)
        kind, _, _, _, holder = _FLOCK.unpack(answer)
        return None if kind == fcntl.F_UNLCK else holder

    def open_supervisor(self) -> int | None:
        """A pidfd of the living supervisor: it cannot come to mean another process."""
        holder = self.supervisor()
        if holder is None:
            return None
        try:
            pidfd = os.pidfd_open(holder)
        except ProcessLookupError:
            return None
        if self.supervisor() != holder:
            os.close(pidfd)
            return None
        return pidfd


def names(root: Path) -> list[str]:
    """The deployments below `<state root>/deployments`, by name."""
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


_FILES: dict[type[Record], str] = {
    Desired: "deployment.json",
    Launch: "launch.json",
    Observed: "status.json",
}


def _read(path: Path, kind: type[_R]) -> _R | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise DeployError(
            f"{path} is damaged: {error}",
            hint=f"remove the deployment with `shipmark down {path.parent.name}`",
        ) from error


def _write(folder: Path, record: Record) -> None:
    name = _FILES[type(record)]
    beside = folder / f".{name}.{secrets.token_hex(4)}"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(record)))
        beside.rename(folder / name)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
