"""The process target: deployments as sandboxed processes of this host, with no daemon."""

import os
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec

from shipmark.deploy import deployment as deployments
from shipmark.deploy.deployment import Deployment
from shipmark.deploy.status import Status
from shipmark.errors import (
    DeployError,
    Unsupported,
)
from shipmark.oci.config import ImageConfig
from shipmark.oci.manifest import Manifest
from shipmark.progress import Progress, Silent
from shipmark.store import Store
from shipmark.targets.process import (
    cgroup,
    control,
    enforcement,
    host,
    log,
    rootfs,
    state,
    supervisor,
)
from shipmark.targets.process.state import Desired, Launch, Observed, StateDirectory
from shipmark.targets.target import Target

READY_TIMEOUT_S = 120.0
"""How long a model may take to become ready, where nobody says."""

_LOST = "its supervisor was killed, or the host restarted"
_INTERRUPTED = "the `shipmark up` that made it was interrupted; the next one replaces it"


class ProcessTarget:
    """Runs images of `store`; keeps what it must remember below `state_root`."""

    def __init__(self, store: Store, state_root: Path) -> None:
        self._store = store
        self._root = state_root.absolute() / "deployments"

    # -- up and down ---------------------------------------------------------------------

    def up(
        self,
        deployment: Deployment,
        *,
        explicit_limits: Collection[str] = (),
        timeout_s: float = READY_TIMEOUT_S,
        progress: Progress | None = None,
    ) -> Status:
        """Make, start and await a new deployment; see Target."""
        progress = progress or Silent()
        deployments.check(deployment)
        directory = self._directory(deployment.name)
        self.require_free(deployment.name)
        host.check()
        self._check_limits(deployment, explicit_limits, progress)
        progress.step(f"unpacking {deployment.name}")
        # Once the directory is there, gc keeps what it names.
        with self._store.in_use(progress):
            plan = self._plan(deployment, tuple(explicit_limits), timeout_s, progress)
            with state.changing(self._root):
                if directory.is_abandoned():
                    self._remove(directory)
                claim = directory.create(Desired(deployment=deployment), plan)
        if claim is None:
            raise self._taken(directory)
        try:
            control.run(directory, progress)
            directory.establish()
        except BaseException:
            if directory.is_claimed_by(claim):
                control.end(directory)
            with state.changing(self._root):
                if directory.is_claimed_by(claim):
                    self._remove(directory)
            raise
        finally:
            os.close(claim)
        return self._status(directory)

    def require_free(self, name: str) -> None:
        """Refuse a name that is taken.

        Raises:
            DeployError: There is a deployment of this name.
        """
        directory = self._directory(name)
        if directory.exists() and not directory.is_abandoned():
            raise self._taken(directory)

    def down(self, name: str) -> None:
        """Stop it and leave nothing of it; see Target."""
        directory = self._existing(name)
        control.end(directory)
        with state.changing(self._root):
            self._remove(directory)

    def sweep(self) -> list[str]:
        """Remove what commands that were killed left behind; gives the names of deployments."""
        swept: list[str] = []
        with state.changing(self._root):
            for name in state.names(self._root):
                directory = self._directory(name)
                if directory.is_abandoned():
                    self._remove(directory)
                    swept.append(name)
        return swept

    # -- stop and start ------------------------------------------------------------------

    def stop(self, name: str) -> Status:
        """Stop it and keep it; see Target."""
        directory = self._existing(name)
        control.end(directory)  # first: on a full disk it could be the only thing that succeeds
        with state.changing(self._root):
            desired = directory.desired()
            if desired is None:
                raise self._unknown(name)
            directory.write(msgspec.structs.replace(desired, running=False))
        return self._status(directory)

    def start(
        self, name: str, *, timeout_s: float | None = None, progress: Progress | None = None
    ) -> Status:
        """Start it again and await it; see Target."""
        progress = progress or Silent()
        directory = self._existing(name)
        if directory.supervisor() is None:
            self.prepare(name, timeout_s=timeout_s, progress=progress)
            control.run(directory, progress)
        else:
            control.wait(directory)
        return self._status(directory)

    def prepare(
        self, name: str, *, timeout_s: float | None = None, progress: Progress | None = None
    ) -> Path:
        """Make ready what its supervisor needs to start it; gives its directory.

        Raises:
            DeployError: There is no such deployment, or another command is at it.
        """
        directory = self._existing(name)
        if directory.is_claimed() and not directory.is_abandoned():
            raise DeployError(
                f"{name} is just being made by another command", hint="wait, or see: shipmark ps"
            )
        desired, before = directory.desired(), directory.launch()
        if desired is None:
            raise self._unknown(name)
        host.check()
        if timeout_s is None:
            timeout_s = before.ready_timeout_s if before else READY_TIMEOUT_S
        required = before.required_limits if before else ()
        with self._store.in_use(progress):
            plan = self._plan(desired.deployment, required, timeout_s, progress or Silent())
            with state.changing(self._root):
                control.remove_groups(directory)
                directory.write(plan)
                directory.write(msgspec.structs.replace(desired, running=True))
                directory.establish()
        return directory.path

    def supervise(self, name: str, *, progress: Progress | None = None) -> NoReturn:
        """Become the supervisor of a deployment, for a service manager.

        Raises:
            DeployError: There is no such deployment, or another command is at it.
        """
        path = self.prepare(name, progress=progress)
        command = [sys.executable, "-P", "-m", supervisor.__name__, supervisor.FOREGROUND]
        os.execv(sys.executable, [*command, str(path)])  # noqa: S606 - no shell is what we want

    # -- looking -------------------------------------------------------------------------

    def observe(self, name: str) -> Status | None:
        """What it does now, or None; see Target."""
        directory = self._directory(name)
        if not directory.exists():
            return None
        try:
            return self._status(directory)
        except DeployError as error:
            return _failed(name, error) if directory.exists() else None

    def ps(self) -> list[Status]:
        """All deployments, by name; see Target."""
        found = (self.observe(name) for name in state.names(self._root))
        return [status for status in found if status is not None]

    def logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> Iterator[str]:
        """Lines of the log; see Target."""
        directory = self._existing(name)
        if not follow:
            return iter(log.tail(directory.log, lines))
        return log.follow(directory.log, lines, lambda: directory.supervisor() is not None)

    def _status(self, directory: StateDirectory) -> Status:
        desired = directory.desired()
        if desired is None:
            raise self._unknown(directory.name)
        alive = directory.supervisor() is not None
        observed = directory.observed() or Observed(state="starting")
        if not alive and directory.is_abandoned():
            observed = Observed(state="failed", error=_INTERRUPTED)
        elif not alive and observed.state not in {"stopped", "failed"}:
            # It had no time to say so.
            observed = Observed(
                state="failed" if desired.running else "stopped",
                port=observed.port,
                restarts=observed.restarts,
                error=_LOST if desired.running else None,
            )
        deployment = desired.deployment
        address = deployment.host if ":" not in deployment.host else f"[{deployment.host}]"
        return Status(
            name=directory.name,
            version=deployment.version,
            desired="running" if desired.running else "stopped",
            observed=observed.state,
            ready=observed.ready,
            address=f"http://{address}:{observed.port}" if observed.port else None,
            digest=deployment.manifest if observed.pid is not None else None,
            pid=observed.pid,
            restarts=observed.restarts,
            started_at_s=observed.started_at_s,
            last_error=observed.error,
            limits=observed.limits,
        )

    # -- preparing -----------------------------------------------------------------------

    def _check_limits(
        self, deployment: Deployment, explicit: Collection[str], progress: Progress
    ) -> None:
        found = enforcement.statuses(
            deployment.limits,
            enforcement.expected(cgroup.find()),
            limit_processes=host.counts_processes_apart(),
        )
        enforcement.require(found, explicit)
        for limit in found:
            if not limit.enforced:
                progress.note(f"the limit {limit.name} is not enforced: {limit.by}")

    def _plan(
        self,
        deployment: Deployment,
        required_limits: tuple[str, ...],
        timeout_s: float,
        progress: Progress,
    ) -> Launch:
        manifest = msgspec.json.decode(self._store.read(deployment.manifest), type=Manifest)
        config = msgspec.json.decode(self._store.read(deployment.config), type=ImageConfig)
        if manifest.config.digest != deployment.config:
            raise DeployError(
                f"the manifest {deployment.manifest} does not point to the config "
                f"{deployment.config}"
            )
        here = host.architecture().name
        if (config.os, config.architecture) != ("linux", here):
            raise Unsupported(
                f"the image is for {config.os}/{config.architecture}; this host is linux/{here}",
                hint=f"build it with --platform linux/{here}",
            )
        run = config.config
        argv = (*run.entrypoint, *run.cmd)
        if not argv:
            raise DeployError("the image does not say what to start: it has no entrypoint")
        return Launch(
            layers=tuple(map(str, rootfs.unpack(self._store, manifest, config, progress))),
            argv=argv,
            env=dict(pair.split("=", 1) for pair in run.env if "=" in pair),
            workdir=run.working_dir or "/",
            stop_signal=_signal_number(run.stop_signal),
            ready_timeout_s=timeout_s,
            required_limits=required_limits,
        )

    def _remove(self, directory: StateDirectory) -> None:
        control.end(directory)
        directory.destroy()

    # -- names ---------------------------------------------------------------------------

    def _directory(self, name: str) -> StateDirectory:
        deployments.check_name(name)
        return StateDirectory(self._root / name)

    def _existing(self, name: str) -> StateDirectory:
        directory = self._directory(name)
        if not directory.exists():
            raise self._unknown(name)
        return directory

    def _unknown(self, name: str) -> DeployError:
        known = ", ".join(state.names(self._root)) or "none"
        return DeployError(
            f"there is no deployment {name!r}", hint=f"deployments on this host: {known}"
        )

    def _taken(self, directory: StateDirectory) -> DeployError:
        name = directory.name
        status = self.observe(name)
        running = status is not None and status.observed in {"starting", "running", "restarting"}
        where = f", {status.observed}" if status and running else ""
        if status and running and status.address:
            where += f" on {status.address}"
        start = "" if running else f"start it with `shipmark start {name}`, "
        return DeployError(
            f"there is a deployment {name!r} already{where}",
            hint=f"remove it first with `shipmark down {name}`, {start}or give this one another "
            "name with --name",
        )


def _failed(name: str, error: DeployError) -> Status:
    """A deployment whose files are damaged; the others must still be told."""
    return Status(
        name=name,
        version="",
        desired="running",
        observed="failed",
        ready=False,
        address=None,
        digest=None,
        pid=None,
        restarts=0,
        started_at_s=None,
        last_error=error.message,
    )


def _signal_number(name: str) -> int:
    """SIGTERM, TERM or 15; SIGTERM where the image names none that exists."""
    if name.isdigit():
        return int(name)
    full = name if name.startswith("SIG") else f"SIG{name}"
    return getattr(signal.Signals, full, signal.SIGTERM)


_: type[Target] = ProcessTarget
