"""The observed state: what a deployment does now, as far as its target can tell."""

from typing import Literal

from shipmark.digest import Digest
from shipmark_serve.contract.records import Record

DesiredState = Literal["running", "stopped"]

ObservedState = Literal["starting", "running", "restarting", "stopping", "stopped", "failed"]
"""`failed`: it should run and does not, and nothing will start it again by itself."""


class LimitStatus(Record, frozen=True, kw_only=True):
    """Whether one limit holds, and by what means."""

    name: str
    """A field of Limits: cpus, memory_bytes, processes, ..."""
    value: float
    enforced: bool
    by: str
    """What enforces it (`cgroup v2`, `rlimit`), or why nothing does."""


class Status(Record, frozen=True, kw_only=True):
    """One deployment, observed."""

    name: str
    version: str
    desired: DesiredState
    observed: ObservedState
    ready: bool
    """Whether it answered /health/ready with 200 when last asked."""
    address: str | None
    """Base URL; None before a port is bound."""
    digest: Digest | None
    """The manifest that is actually serving; None while nothing runs."""
    pid: int | None
    """The first process of the model, as the host numbers it."""
    restarts: int
    started_at_s: float | None
    """When it last started, in seconds since 1970-01-01 UTC."""
    last_error: str | None
    limits: tuple[LimitStatus, ...] = ()
