"""Keeps one deployment running: `python -m shipmark.targets.process.supervisor STATE_DIRECTORY`.

It leaves the terminal, takes the lock of the state directory, opens the port and keeps it from
start to start, so callers wait in the backlog while a dead model is replaced. It ends when it is
told to by SIGTERM, when the `up` that started it dies before it is done (and then removes what
that had made), or when the model was never ready: then starting it again would not help. If it is
killed itself, the kernel kills the sandbox with it.

One line on stdout says whether it could begin: `{}`, or the code, message and hint of an error.
With `--foreground` it stays where it is, for a service manager, and ends with status 1 if the
model was never ready.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from shipmark.deploy.deployment import Deployment
from shipmark.deploy.status import ObservedState
from shipmark.errors import DeployError, ShipmarkError
from shipmark.targets.process import (
    cgroup,
    durability,
    enforcement,
    host,
    launch,
    ports,
    seccomp,
    state,
)
from shipmark.targets.process.log import Allowance, Writer
from shipmark.targets.process.pressure import Pressure
from shipmark.targets.process.probe import Probe
from shipmark.targets.process.sandbox import Sandbox
from shipmark.targets.process.state import Observed, StateDirectory
from shipmark.targets.process.watch import Outcome, Rules, StopRequest, Watch

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
HEALTHY_S = 30.0
"""After being ready for so long, the next death counts as a first one."""

FOREGROUND = "--foreground"

STARTING = "shipmark: starting"
"""The line of the log with which a run begins."""


class Supervisor:
    """One deployment and its runs."""

    def __init__(
        self,
        directory: StateDirectory,
        *,
        address: str,
        recipe: launch.Recipe,
        rules: Rules,
        observed: Observed,
        stop: StopRequest,
    ) -> None:
        self._directory = directory
        self._address = address
        self._recipe = recipe
        self._rules = rules
        self._observed = observed
        self._log = Writer(directory.log)
        self._log_allowance = Allowance(time.monotonic())
        self._stop = stop
        self._ever_ready = False

    def run(self, listener: socket.socket) -> Observed:
        """Run the model until it should stop or cannot start; gives the last word on it."""
        delay_s = FIRST_DELAY_S
        while True:
            outcome = self._run_once()
            if self._stop.requested:
                return self._last("stopped", outcome.overdue)
            if not self._ever_ready:
                return self._last("failed", outcome.reason, host_refused=outcome.host_refused)
            # A model can shut its listening socket down; callers shall wait for the next one.
            listener.listen(ports.BACKLOG)
            if outcome.ready_s >= HEALTHY_S:
                delay_s = FIRST_DELAY_S
            self._log.say(f"{outcome.reason}; starting it again in {delay_s:g} s")
            self._tell(
                state="restarting",
                ready=False,
                pid=None,
                error=outcome.reason,
                restarts=self._observed.restarts + 1,
            )
            if self._stop.wait(delay_s):
                return self._last("stopped", None)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    def _run_once(self) -> Outcome:
        self._log.say("starting")
        try:
            running = launch.start(self._recipe)
        except launch.LaunchFailed as error:
            return Outcome(f"the sandbox could not be made: {error}", host_refused=True)
        self._tell(
            state="starting",
            pid=running.pid,
            started_at_s=time.time(),  # noqa: TID251 - a supervisor may look at the clock
        )
        return Watch(
            running,
            self._rules,
            stop=self._stop,
            log=self._log,
            allowance=self._log_allowance,
            probe=self._probe,
            on_ready=self._on_ready,
            pressure=Pressure(self._recipe.limits, self._recipe.groups, running.pid),
            on_limit=lambda limit: self._tell(error=limit),
        ).until_it_ends()

    def _probe(self) -> Probe:
        return Probe(self._address, self._observed.port or 0)

    def _on_ready(self, ready: bool) -> None:
        if not self._ever_ready:
            durability.settle_meanwhile(self._recipe.layers)
        self._ever_ready = True
        self._log.say("ready" if ready else "no longer ready")
        self._tell(state="running", ready=ready)

    def _tell(self, **changes: object) -> None:
        self._observed = msgspec.structs.replace(self._observed, **changes)
        with suppress(ShipmarkError):  # a full disk must not end a model that serves
            self._directory.write(self._observed)

    def _last(
        self, last: ObservedState, error: str | None, *, host_refused: bool = False
    ) -> Observed:
        self._log.say(last if last == "stopped" else error or last)
        return msgspec.structs.replace(
            self._observed,
            state=last,
            ready=False,
            pid=None,
            error=error,
            host_refused=host_refused,
        )


def supervise(
    directory: StateDirectory, *, begun: Callable[[], None], starter: int | None = None
) -> Observed:
    """Be the supervisor of the deployment in `directory`; gives the last word on it.

    Args:
        directory: Where it lies.
        begun: Called when nothing can be refused any more.
        starter: The pidfd of the command that makes the deployment, where one does.

    Raises:
        ShipmarkError: It could not begin.
    """
    if directory.acquire() is None:
        raise DeployError(f"{directory.name} has a supervisor already")
    stop = StopRequest()
    if starter is not None and directory.is_claimed():
        stop.when_it_ends(starter, directory.is_abandoned)
    abandoned = False
    try:
        last = _supervise(directory, stop, begun)
    finally:
        abandoned = directory.is_abandoned()
        if abandoned:
            directory.destroy()
    if not abandoned:
        with suppress(ShipmarkError):
            directory.write(last)
    return last


def _supervise(directory: StateDirectory, stop: StopRequest, begun: Callable[[], None]) -> Observed:
    with ExitStack() as cleanup:
        desired, plan = directory.desired(), directory.launch()
        if desired is None or plan is None:
            raise DeployError(f"{directory.path} holds no deployment")
        deployment = desired.deployment
        before = directory.observed()
        listener = ports.listen(
            deployment.host,
            deployment.port,
            preferred=before.port if before else None,
            owner=lambda port: _neighbour(directory, port) or ports.owner_of(port),
        )
        cleanup.callback(listener.close)
        places = cgroup.find()
        observed = Observed(
            state="starting",
            port=listener.getsockname()[1],
            cgroups=tuple(map(str, cgroup.paths(places, directory.identity))),
        )
        directory.write(observed)
        groups = cgroup.make(places, directory.identity, deployment.limits)
        cleanup.callback(cgroup.remove, groups.paths)
        limit_processes = host.counts_processes_apart()
        observed = msgspec.structs.replace(
            observed,
            limits=enforcement.statuses(
                deployment.limits, groups.by, limit_processes=limit_processes
            ),
        )
        enforcement.require(observed.limits, plan.required_limits)
        recipe = launch.Recipe(
            box=Sandbox(
                argv=plan.argv,
                env=_granted(deployment, groups)
                | plan.env
                | deployment.env
                | {"SHIPMARK_LISTEN_FD": str(listener.fileno())},
                workdir=plan.workdir,
                hostname=deployment.name,
                network=deployment.network,
                scratch_bytes=deployment.limits.scratch_bytes,
            ),
            layers=plan.layers,
            limits=deployment.limits,
            groups=groups,
            limit_processes=limit_processes and "processes" not in groups.by,
            listener=listener.fileno(),
            filter=seccomp.program(host.architecture(), network=deployment.network),
            bubblewrap=host.bubblewrap(),
        )
        rules = Rules(plan.ready_timeout_s, plan.stop_signal, deployment.stop_grace_s)
        supervisor = Supervisor(
            directory,
            address=deployment.host,
            recipe=recipe,
            rules=rules,
            observed=observed,
            stop=stop,
        )
        begun()
        return supervisor.run(listener)


def _granted(deployment: Deployment, groups: cgroup.Groups) -> dict[str, str]:
    """What the server could not find out by itself: its time to end, and its processors."""
    granted = {"SHIPMARK_GRACE_S": str(max(0, int(deployment.stop_grace_s) - 1))}
    if deployment.limits.cpus is not None and "cpus" in groups.by:
        granted["SHIPMARK_CPUS"] = f"{deployment.limits.cpus:g}"
    return granted


def _neighbour(directory: StateDirectory, port: int) -> str | None:
    """Which of our own deployments has the port."""
    for name in state.names(directory.path.parent):
        other = StateDirectory(directory.path.with_name(name))
        observed = other.observed()
        if observed is not None and observed.port == port and other.supervisor() is not None:
            return f"the deployment {name}"
    return None


def _answer(answer: dict[str, str]) -> None:
    """Tell whoever started us, and let go of its pipe."""
    with suppress(BrokenPipeError):  # it was killed
        os.write(1, msgspec.json.encode(answer) + b"\n")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)


def main() -> None:
    """Supervise, here or apart from the terminal."""
    directory = StateDirectory(Path(sys.argv[-1]))
    if FOREGROUND in sys.argv[1:-1]:
        sys.exit(_stay(directory))
    starter = os.pidfd_open(os.getppid())
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        supervise(directory, begun=lambda: _answer({}), starter=starter)
    except ShipmarkError as error:
        _answer({"code": error.code, "message": error.message, "hint": error.hint})


def _stay(directory: StateDirectory) -> int:
    os.umask(0o077)
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        last = supervise(directory, begun=lambda: None)
    except ShipmarkError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 1
    if last.state == "failed":
        sys.stderr.write(f"error: {directory.name} did not become ready: {last.error}\n")
    return int(last.state == "failed")


if __name__ == "__main__":
    main()
