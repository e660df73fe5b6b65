"""What the HTTP process and an inference process say to each other."""

from typing import Any

import msgspec

from shipmark_serve.call import Head
from shipmark_serve.contract import errors
from shipmark_serve.contract.errors import PredictFailed, ServeError
from shipmark_serve.response import Header

ERRORS: dict[str, type[ServeError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ServeError)
}


class Hello(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="hello"):
    """The first word of an inference process: its model is loaded."""

    schema: bytes
    """A Schema in JSON, since it may hold some."""
    joins: bool
    base_s: float | None
    row_s: float


class Failed(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="failed"):
    """The first word of one whose model could not be loaded."""

    message: str
    hint: str


class Asked(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One call; its body is a part of the message."""

    route: str
    head: Head
    request_id: bytes
    size: int


class Job(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Calls that should be answered together as far as they can be."""

    calls: list[Asked]
    max_batch_size: int


class Said(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What became of one call; the body of its response is a part of the message."""

    size: int = 0
    media_type: bytes = b""
    headers: tuple[Header, ...] = ()
    error: str = ""
    """The code of its error, or ""."""
    message: str = ""
    hint: str = ""
    rows: int = 0
    """Rows of the batch that it was in."""
    seconds: float = 0.0

    def raised(self) -> ServeError | None:
        """Its error."""
        return (
            ERRORS.get(self.error, PredictFailed)(self.message, hint=self.hint)
            if self.error
            else None
        )


class Done(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="done"):
    """The answers to a job, in its order."""

    calls: list[Said]


FromProcess = Hello | Failed | Done
encode = msgspec.msgpack.Encoder().encode


def decoder(type_: Any) -> Any:
    """A decoder of one side's messages."""
    return msgspec.msgpack.Decoder(type_).decode
