"""The errors that both sides of the contract share."""

from typing import ClassVar


class ShipmarkError(Exception):
    """The root of all errors raised on purpose.

    Args:
        message: What was tried, what happened, and where.
        hint: What to do next; one sentence, or empty.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class MissingExtra(ShipmarkError):
    """An optional library is not installed."""

    code = "missing-extra"


class ServeError(ShipmarkError):
    """The server cannot load the model or answer a request."""

    code = "serve"


class LoadFailed(ServeError):
    """The model could not be loaded, or its golden records failed."""

    code = "load-failed"


class InvalidInput(ServeError):
    """The request is not what the model's schema asks for; the message gives the place."""

    code = "invalid-input"


class NotFound(ServeError):
    """There is no such route, model or version."""

    code = "not-found"


class Unauthenticated(ServeError):
    """The caller did not say who it is, or not so that it can be believed."""

    code = "unauthenticated"


class Forbidden(ServeError):
    """The caller is known, and may not ask this."""

    code = "forbidden"


class HeadersTooLarge(ServeError):
    """The head of the request is longer than `max_header_bytes`."""

    code = "headers-too-large"


class BodyTooLarge(InvalidInput):
    """The body is longer than `max_body_bytes`."""

    code = "body-too-large"


class UnsupportedMediaType(InvalidInput):
    """The body is of a media type that the model's schema has no form for."""

    code = "unsupported-media-type"


class RequestTimeout(ServeError):
    """The body did not arrive in time."""

    code = "request-timeout"


class PredictFailed(ServeError):
    """The model raised, or answered something its schema does not allow."""

    code = "predict-failed"


class Overloaded(ServeError):
    """The queue is full; try again later."""

    code = "overloaded"


class DeadlineExceeded(ServeError):
    """The answer did not come in time."""

    code = "deadline-exceeded"


class NotReady(ServeError):
    """The model is loading, the server is draining, or what ran inference has died."""

    code = "not-ready"
