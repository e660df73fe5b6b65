"""How an attempt to read from a server can fail."""

from typing import TYPE_CHECKING

from shipmark.errors import DownloadFailed
from shipmark.lock.sources import Sources

if TYPE_CHECKING:
    import httpx


class Gone(DownloadFailed):
    """The server is there, and has nothing under this URL."""


class Interrupted(Exception):
    """This attempt failed in a way that the next one may not.

    Args:
        reason: What happened.
        wait_s: How long the server wants to be left alone.
        progressed: It brought something that the next need not ask for again.
        unreached: How many attempts make sense where nothing ever came from this server; None: as
            many as ever.
    """

    def __init__(
        self,
        reason: str,
        *,
        wait_s: float | None = None,
        progressed: bool = False,
        unreached: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s
        self.progressed = progressed
        self.unreached = unreached


def interrupted(error: "httpx.TransportError", sources: Sources) -> Interrupted:
    """What httpx met, in words.

    A host that refuses, or has no address, may do better at once; one that is mute, hardly.
    """
    import httpx  # noqa: PLC0415 - 0.35 s; whoever has one of its errors has loaded it

    match error:
        case httpx.ConnectTimeout():
            return Interrupted(
                f"no connection came about within {sources.connect_timeout_s:g} s", unreached=1
            )
        case httpx.ReadTimeout():
            return Interrupted(f"the server was silent for {sources.read_timeout_s:g} s")
        case _:
            refused = isinstance(error, httpx.ConnectError)
            told = str(error) or type(error).__name__
            return Interrupted(told, unreached=2 if refused else None)
