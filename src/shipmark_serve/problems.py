"""Errors as HTTP: one table of statuses, and problem details (RFC 9457) for a body."""

from http import HTTPStatus

import msgspec

from shipmark_serve.contract.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    Forbidden,
    HeadersTooLarge,
    InvalidInput,
    NotFound,
    NotReady,
    Overloaded,
    PredictFailed,
    RequestTimeout,
    ServeError,
    Unauthenticated,
    UnsupportedMediaType,
)
from shipmark_serve.contract.v2 import messages
from shipmark_serve.response import Header, Response

STATUS: dict[type[ServeError], HTTPStatus] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HeadersTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    PredictFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
}
"""Every error that a request can end in."""

RETRY_AFTER_S = 1
_RETRY = (b"retry-after", str(RETRY_AFTER_S).encode())
_CLOSE = (b"connection", b"close")
_HEADERS: dict[type[ServeError], tuple[Header, ...]] = {
    RequestTimeout: (_CLOSE,),
    HeadersTooLarge: (_CLOSE,),
    Unauthenticated: ((b"www-authenticate", b"Bearer"),),
    Overloaded: (_RETRY,),
    NotReady: (_RETRY,),
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an error; `code`, `hint` and `request_id` are ours.

    `type` is left out, which means about:blank: the status says it all.
    """

    title: str
    status: int
    detail: str
    code: str
    hint: str = ""
    request_id: str


def of_error(error: ServeError, request_id: str) -> Response:
    """The response to a request that ended in `error`."""
    kind = _kind(error)
    return of_status(
        STATUS[kind],
        detail=error.message,
        code=error.code,
        hint=error.hint,
        request_id=request_id,
        headers=_HEADERS.get(kind, ()),
    )


def of_error_v2(error: ServeError) -> Response:
    """The same in the form of the Open Inference Protocol v2."""
    kind = _kind(error)
    text = f"{error.message} ({error.hint})" if error.hint else error.message
    return Response(
        status=STATUS[kind],
        media_type=b"application/json",
        body=msgspec.json.encode(messages.Error(error=text)),
        headers=_HEADERS.get(kind, ()),
    )


def _kind(error: ServeError) -> type[ServeError]:
    return next(kind for kind in type(error).__mro__ if kind in STATUS)


def of_status(
    status: HTTPStatus,
    *,
    detail: str,
    code: str,
    request_id: str,
    hint: str = "",
    headers: tuple[Header, ...] = (),
) -> Response:
    """A response for what is no error of the model: a route that does not exist."""
    problem = Problem(
        title=status.phrase,
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        request_id=request_id,
    )
    return Response(
        status=status,
        media_type=b"application/problem+json",
        body=msgspec.json.encode(problem),
        headers=headers,
    )
