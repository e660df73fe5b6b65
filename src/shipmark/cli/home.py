"""Where Shipmark keeps its things on this host."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Three folders: what must stay, what may be deleted, and what runs.

    `SHIPMARK_HOME`, when set, holds all three; otherwise they follow the XDG base directories.
    """

    data: Path
    cache: Path
    state: Path

    @property
    def store(self) -> Path:
        """The blob store."""
        return self.data / "store"

    @property
    def deployments(self) -> Path:
        """One folder per deployment of the process target."""
        return self.state / "deployments"


def home() -> Home:
    """The folders of this user; none of them is made here."""
    root = os.environ.get("SHIPMARK_HOME")
    if root:
        path = Path(root).expanduser().absolute()
        return Home(data=path / "data", cache=path / "cache", state=path / "state")
    return Home(
        data=platformdirs.user_data_path("shipmark"),
        cache=platformdirs.user_cache_path("shipmark"),
        state=platformdirs.user_state_path("shipmark"),
    )
