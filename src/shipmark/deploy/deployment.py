"""The desired state: which image should run, under which name, and with what."""

import re

from shipmark.deploy import limits as limits_of
from shipmark.deploy.limits import Limits
from shipmark.digest import Digest
from shipmark.errors import DeployError
from shipmark_serve.contract.records import Record

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Deployment(Record, frozen=True, kw_only=True):
    """One model as it should run."""

    name: str
    manifest: Digest
    """The image's manifest, for the platform of the host."""
    config: Digest
    version: str = ""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int | None = None
    """None: the first free port from 8080 on."""
    limits: Limits = Limits()
    env: dict[str, str] = {}
    network: bool = False
    """Whether the model may open connections of its own."""
    stop_grace_s: float = 10.0
    """Time between SIGTERM and SIGKILL."""


def check_name(name: str) -> None:
    """Refuse what cannot name a deployment, a directory and a host at once.

    Raises:
        DeployError: It cannot.
    """
    if _NAME.fullmatch(name) is None:
        raise DeployError(
            f"{name!r} cannot name a deployment",
            hint="use up to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )


def check(deployment: Deployment) -> None:
    """Refuse what no target could run.

    Raises:
        DeployError: The name, port, a variable or a limit is not possible.
    """
    check_name(deployment.name)
    if deployment.port is not None and not 1 <= deployment.port <= 65535:
        raise DeployError(f"{deployment.port} is no port", hint="ports go from 1 to 65535")
    for key, value in deployment.env.items():
        if _VARIABLE.fullmatch(key) is None or "\0" in value:
            raise DeployError(
                f"{key!r} cannot be an environment variable", hint="give --env KEY=VALUE"
            )
    limits_of.check(deployment.limits)
