"""`POST /predict`: the package's own contract."""

from functools import lru_cache
from typing import Any

from shipmark_serve import problems
from shipmark_serve.call import Call, Endpoint
from shipmark_serve.codecs import media
from shipmark_serve.codecs.codec import prepare
from shipmark_serve.codecs.media import MediaType
from shipmark_serve.contract.errors import ServeError
from shipmark_serve.predictor import Interface
from shipmark_serve.response import Response


class Predict:
    """One item, or one set of tensors, in the form that the schema gives it."""

    route = "predict"

    def __init__(self, interface: Interface) -> None:
        self._codec = prepare(interface)

    def decode(self, call: Call) -> None:
        """Read the body as its media type says."""
        call.asked = media_type = _media_type(call.head.content_type)
        body = call.body
        call.value = [self._codec.decode(body if type(body) is bytes else bytes(body), media_type)]

    def encode(self, call: Call, value: Any) -> Response:
        """Write the answer as Accept asks."""
        (item,) = value
        return self._codec.encode(item, call.asked, call.head.accept.decode("latin-1"))

    def problem(self, error: ServeError, request_id: str) -> Response:
        """Problem details."""
        return problems.of_error(error, request_id)


@lru_cache(maxsize=256)
def _media_type(header: bytes) -> MediaType | None:
    return media.parse(header.decode("latin-1"))


_: type[Endpoint] = Predict
