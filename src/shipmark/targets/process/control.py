"""What commands do with a supervisor: start it, wait for its model, end it."""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from shipmark.errors import (
    DeployError,
    RolloutFailed,
    ShipmarkError,
    TargetUnavailable,
    Unsupported,
)
from shipmark.progress import Progress
from shipmark.store.disk import explained
from shipmark.targets.process import cgroup, host, log, supervisor
from shipmark.targets.process.state import Desired, Observed, StateDirectory

_SPAWN_TIMEOUT_S = 30.0
_KILL_MARGIN_S = 10.0
_POLL_S = 0.003
_SHOWN_LINES = 40
_SHOWN_CHARACTERS = 400
_SANDBOX_NEEDS = (
    "the sandbox needs bubblewrap 0.8, user namespaces, and overlay mounts in them (Linux 5.11); "
    "inside a container, both must be allowed"
)
_ERRORS: dict[str, type[ShipmarkError]] = {
    kind.code: kind for kind in (DeployError, TargetUnavailable, Unsupported)
}


def run(directory: StateDirectory, progress: Progress) -> None:
    """Start the supervisor and wait until the model is ready.

    Raises:
        DeployError: The supervisor could not begin; or as `wait`.
    """
    progress.step(f"starting {directory.name}")
    with explained(directory.log):
        errors = directory.log.open("ab")
    try:
        with errors:
            started = subprocess.run(
                [sys.executable, "-P", "-m", supervisor.__name__, str(directory.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                timeout=_SPAWN_TIMEOUT_S,
                check=False,
            )
        answer = msgspec.json.decode(started.stdout, type=dict[str, str])
    except (msgspec.DecodeError, subprocess.TimeoutExpired):
        raise DeployError(
            f"the supervisor of {directory.name} could not be started"
            + _quoted(log.tail(directory.log, _SHOWN_LINES))
        ) from None
    if answer:
        kind = _ERRORS.get(answer["code"], DeployError)
        raise kind(answer["message"], hint=answer["hint"])
    progress.step(f"waiting until {directory.name} is ready")
    wait(directory)


def wait(directory: StateDirectory) -> None:
    """Wait until the model is ready or has failed; the supervisor keeps the time.

    Raises:
        RolloutFailed: It did not become ready.
        TargetUnavailable: The host refused to start it.
    """
    seen: object = None
    while True:
        alive = directory.supervisor() is not None
        version = directory.status_version()
        if version != seen or not alive:
            seen = version
            observed = directory.observed()
            if observed is not None and observed.ready:
                return
            if not alive:
                raise _rollout_failed(directory, observed)
        time.sleep(_POLL_S)


def _rollout_failed(directory: StateDirectory, observed: Observed | None) -> DeployError:
    reason = (observed and observed.error) or "its supervisor was killed"
    lines = log.tail(directory.log)
    begun = [at for at, line in enumerate(lines) if line == supervisor.STARTING]
    shown = _quoted(lines[begun[-1] + 1 if begun else 0 :][-_SHOWN_LINES:])
    if observed is not None and observed.host_refused:
        found = host.forbidding_setting()
        return TargetUnavailable(
            f"{directory.name} could not be started on this host: {reason}{shown}",
            hint=": ".join(found) if found else _SANDBOX_NEEDS,
        )
    return RolloutFailed(
        f"{directory.name} did not become ready: {reason}{shown}",
        hint="the lines above are the end of its log" if shown else "it wrote nothing to its log",
    )


def end(directory: StateDirectory) -> None:
    """Have the supervisor stop the model and itself; remove what it could not."""
    pidfd = directory.open_supervisor()
    if pidfd is not None:
        desired = _tolerant(directory)
        grace_s = desired.deployment.stop_grace_s if desired else 0.0
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            ended, _, _ = select.select([pidfd], [], [], grace_s + _KILL_MARGIN_S)
            if not ended:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                select.select([pidfd], [], [])
        finally:
            os.close(pidfd)
    remove_groups(directory)


def remove_groups(directory: StateDirectory) -> None:
    """Remove the control groups of a supervisor that was killed."""
    with suppress(DeployError):
        observed = directory.observed()
        if observed is not None:
            cgroup.remove([Path(path) for path in observed.cgroups])


def _tolerant(directory: StateDirectory) -> Desired | None:
    """deployment.json, or None where it is damaged: it must still be possible to remove it."""
    try:
        return directory.desired()
    except DeployError:
        return None


def _quoted(lines: list[str]) -> str:
    return "".join(f"\n  | {line[:_SHOWN_CHARACTERS]}" for line in lines)
