"""What a server refuses, as errors: the problem details that it sends, by their code or status."""

from http import HTTPStatus

import msgspec

from shipmark.client.connection import Reply
from shipmark_serve.contract import errors
from shipmark_serve.contract.errors import ServeError
from shipmark_serve.contract.records import ForeignRecord

_BY_CODE: dict[str, type[ServeError]] = {
    kind.code: kind
    for kind in (
        errors.InvalidInput,
        errors.BodyTooLarge,
        errors.UnsupportedMediaType,
        errors.RequestTimeout,
        errors.PredictFailed,
        errors.Overloaded,
        errors.DeadlineExceeded,
        errors.NotReady,
    )
}
_BY_STATUS: dict[int, type[ServeError]] = {
    HTTPStatus.BAD_REQUEST: errors.InvalidInput,
    HTTPStatus.UNPROCESSABLE_ENTITY: errors.InvalidInput,
    HTTPStatus.REQUEST_TIMEOUT: errors.RequestTimeout,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: errors.BodyTooLarge,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: errors.UnsupportedMediaType,
    HTTPStatus.TOO_MANY_REQUESTS: errors.Overloaded,
    HTTPStatus.SERVICE_UNAVAILABLE: errors.NotReady,
    HTTPStatus.GATEWAY_TIMEOUT: errors.DeadlineExceeded,
}
"""For servers between, which know nothing of our codes."""

_SHOWN = 2000


class _Problem(ForeignRecord, frozen=True, kw_only=True):
    """Problem details. Source: RFC 9457; `code` and `hint` are Shipmark's."""

    detail: str = ""
    code: str = ""
    hint: str = ""


def error_of(reply: Reply, request_id: str) -> ServeError:
    """The error that a refusal stands for, in the server's words."""
    problem = _problem(reply)
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(reply.status, ServeError)
    said = printable(problem.detail)
    location = reply.headers.get("location")
    if not said and location is not None:
        said = f"it is at {printable(location)} now, and redirects are not followed"
    return kind(
        f"the server answered {reply.status} {printable(reply.reason)}"
        f"{': ' if said else ''}{said} (request {request_id})",
        hint=printable(problem.hint),
    )


def retry_after_s(reply: Reply) -> float | None:
    """After how many seconds the server wants to be asked again; None where it does not say."""
    said = reply.headers.get("retry-after", "").strip()
    return float(said) if said.isdecimal() and len(said) <= 9 else None


def printable(text: str) -> str:
    """A server's words as they may stand in a message: nothing that steers a terminal."""
    plain = "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."


def _problem(reply: Reply) -> _Problem:
    try:
        return msgspec.json.decode(reply.body, type=_Problem)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        plain = reply.headers.get_content_type() == "text/plain"
        return _Problem(detail=reply.body.decode(errors="replace").strip() if plain else "")
