"""What is known of a deployment, in one directory: the whole interface between its processes.

    <state root>/deployments/.lock       held by a command while it makes or removes directories
    <state root>/deployments/<name>/     mode 0700
        deployment.json   Desired: the deployment, and whether it should run    written by the CLI
        launch.json       Launch: where its layers lie and how it starts        written by the CLI
        status.json       Observed: what the supervisor last saw                written by it
        lock              a record lock on it is held as long as the supervisor lives
        claim             locked by the `up` that makes the deployment, gone when that is done
        log, log.1        stdout and stderr of the model, bounded (see `log`)

Each JSON file is written beside and renamed, so a reader never sees half of one. The directory
appears whole, by a rename, and goes the same way, so a deployment exists or it does not. One with
a claim that nobody holds was never finished: whoever finds it removes it. The kernel frees all
locks with the process that held them, so nothing that is written here is believed of a process:
its number may have come to mean another. The
environment of a deployment may hold secrets: it lies in deployment.json and nowhere else.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from shipmark.deploy.deployment import Deployment
from shipmark.deploy.status import LimitStatus, ObservedState
from shipmark.errors import DeployError
from shipmark.store.disk import explained, sync_folder
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
        self._claim = path / "claim"

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
        """Write the file of this record; by one process at a time (see `changing`).

        Raises:
            ShipmarkError: The disk is full, or refuses.
        """
        _write(self.path, record, later=self.path)

    # -- the whole directory -------------------------------------------------------------

    def create(self, desired: Desired, launch: Launch) -> int | None:
        """Make the directory, with a claim; inside `changing`.

        Returns:
            The descriptor that holds the claim; None where the name is taken.

        Raises:
            ShipmarkError: The disk is full, or refuses.
        """
        if self.path.exists():
            return None
        beside = self._beside()
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.mkdir(mode=0o700)
        try:
            _write(beside, desired, later=self.path)
            _write(beside, launch, later=self.path)
            with explained(self._claim):
                claim = os.open(beside / self._claim.name, os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(claim, fcntl.LOCK_EX)
                beside.rename(self.path)
            except BaseException:
                os.close(claim)
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return claim

    def establish(self) -> None:
        """Take the claim away: the deployment stays, even if the power fails now."""
        with explained(self.path):
            for name in _FILES.values():
                with suppress(FileNotFoundError), (self.path / name).open("rb") as stream:
                    os.fsync(stream.fileno())
            self._claim.unlink(missing_ok=True)
            sync_folder(self.path)
            sync_folder(self.path.parent)

    def is_claimed(self) -> bool:
        """Whether the `up` that makes it is not done, be it alive or not."""
        return self._claim.exists()

    def is_claimed_by(self, claim: int) -> bool:
        """Whether it is still the one that was made with this claim."""
        try:
            return os.path.samestat(os.fstat(claim), self._claim.stat())
        except FileNotFoundError:
            return False

    def is_abandoned(self) -> bool:
        """Whether the `up` that made it died before it was done."""
        try:
            descriptor = os.open(self._claim, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
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


@contextmanager
def changing(root: Path) -> Iterator[None]:
    """Be the only one to make or remove directories below `<state root>/deployments`.

    What was half made or half removed by a command that was killed is removed first.

    Raises:
        ShipmarkError: The folder cannot be written to.
    """
    with explained(root / _LOCK):
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        stream = (root / _LOCK).open("wb")
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for path in root.glob(".*"):
            if path.name != _LOCK:
                shutil.rmtree(path, ignore_errors=True)
        yield


def names(root: Path) -> list[str]:
    """The deployments below `<state root>/deployments`, by name."""
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


_LOCK = ".lock"
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


def _write(folder: Path, record: Record, *, later: Path) -> None:
    """Write into `folder`, which is, or will be, the one that a person knows as `later`."""
    name = _FILES[type(record)]
    data = msgspec.json.format(msgspec.json.encode(record))
    beside = folder / f".{name}"
    with explained(later / name, need_bytes=len(data)):
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            beside.rename(folder / name)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
