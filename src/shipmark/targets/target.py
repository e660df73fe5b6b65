"""What every place to run a model offers.

The verbs are the user's: `shipmark up` is `Target.up`. A target that turns a deployment into
files for another engine will add a pure `render`; the process target has nothing to show.
"""

from collections.abc import Collection, Iterator
from typing import Protocol

from shipmark.deploy.deployment import Deployment
from shipmark.deploy.status import Status
from shipmark.progress import Progress


class Target(Protocol):
    """A place where deployments run.

    Every method that takes the name of a deployment raises DeployError where there is none.
    """

    def up(
        self,
        deployment: Deployment,
        *,
        explicit_limits: Collection[str] = (),
        timeout_s: float = 120.0,
        progress: Progress | None = None,
    ) -> Status:
        """Make a new deployment, start it and wait until it is ready.

        Args:
            deployment: What should run.
            explicit_limits: Fields of Limits that a person asked for just now: refused where
                they cannot be enforced. The others are noted.
            timeout_s: How long it may take to become ready.
            progress: Who watches; None for nobody.

        Raises:
            TargetUnavailable: This host cannot run it.
            Unsupported: An explicit limit cannot be enforced here.
            RolloutFailed: It did not become ready; nothing of it is left.
            DeployError: The name or the port is taken, or the disk is full.
        """

    def observe(self, name: str) -> Status | None:
        """What the deployment does now; None where there is none."""

    def ps(self) -> list[Status]:
        """All deployments, by name."""

    def logs(self, name: str, *, follow: bool = False, lines: int | None = None) -> Iterator[str]:
        """What the model wrote to stdout and stderr, line by line, oldest first.

        Args:
            name: The deployment.
            follow: Go on until it no longer runs.
            lines: Only this many of the last lines; None for all that are kept.
        """

    def stop(self, name: str) -> Status:
        """Stop it and keep it: SIGTERM, the grace time, SIGKILL. Nothing if it does not run."""

    def start(
        self, name: str, *, timeout_s: float | None = None, progress: Progress | None = None
    ) -> Status:
        """Start a stopped or failed deployment and wait until it is ready.

        Args:
            name: The deployment.
            timeout_s: How long it may take; None for as long as it had before.
            progress: Who watches; None for nobody.

        Raises:
            RolloutFailed: It did not become ready; it is kept, with its log.
        """

    def down(self, name: str) -> None:
        """Stop it and remove all there is of it: processes, mounts, cgroups, state and log."""
