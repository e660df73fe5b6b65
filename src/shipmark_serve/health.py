"""What the server says of itself; true at every moment, since nothing else sets it."""

import time
from typing import Literal

import msgspec

State = Literal["loading", "ready", "draining"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/health`."""

    name: str
    version: str
    state: State
    uptime_s: float


class Health:
    """Loading until the golden records have passed, ready, then draining."""

    def __init__(self, name: str, version: str) -> None:
        self.state: State = "loading"
        self._name = name
        self._version = version
        self._started = time.monotonic()

    def report(self) -> Report:
        """The state now."""
        return Report(
            name=self._name,
            version=self._version,
            state=self.state,
            uptime_s=round(time.monotonic() - self._started, 3),
        )
