"""What came back."""

from dataclasses import dataclass
from typing import Any

import msgspec

from shipmark.client.body import is_json
from shipmark.client.connection import Reply
from shipmark_serve.contract.errors import ServeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The model's answer to one request."""

    value: Any
    """A JSON value for JSON, a string for text, else bytes; by the answer's media type."""
    body: bytes
    """The answer as it was sent."""
    media_type: str
    request_id: str
    """What the server's log calls the request."""
    duration_s: float
    """From the call to the answer, retries included."""


def answer_of(reply: Reply, *, request_id: str, duration_s: float) -> Answer:
    """Decode the reply to a request that went well.

    Raises:
        ServeError: The body is not what its media type says.
    """
    media_type = reply.headers.get_content_type()
    try:
        if is_json(media_type):
            value = msgspec.json.decode(reply.body)
        elif media_type.startswith("text/"):
            value = reply.body.decode(reply.headers.get_content_charset("utf-8"))
        else:
            value = reply.body
    except (msgspec.DecodeError, UnicodeError, LookupError, RecursionError) as error:
        raise ServeError(
            f"the answer says that it is {media_type}, and is not: {error} (request {request_id})"
        ) from error
    return Answer(
        value=value,
        body=reply.body,
        media_type=media_type,
        request_id=request_id,
        duration_s=duration_s,
    )
