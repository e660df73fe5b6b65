"""A loaded model with its codec: from the bytes of a request to the bytes of an answer."""

import logging
from dataclasses import dataclass
from typing import Any

from shipmark_serve.codecs.codec import Answer, Codec
from shipmark_serve.codecs.media import MediaType
from shipmark_serve.contract.errors import PredictFailed, ServeError
from shipmark_serve.predictor import Predictor

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Servable:
    """What requests and golden records go through alike."""

    predictor: Predictor
    codec: Codec

    @property
    def threads(self) -> int | None:
        """How many threads may answer at once; None: as many as there are CPUs."""
        return self.predictor.interface.threads

    def answer(self, value: Any, media_type: MediaType | None, accept: str) -> Answer:
        """Predict and encode; on an inference thread, since both may take their time.

        Encoding belongs here: a model may use the array it returned again at the next call.

        Raises:
            InvalidInput: The model cannot take the value.
            PredictFailed: The model raised (the traceback is logged, and the caller is not told
                more), or its answer does not fit its schema.
        """
        try:
            return self.codec.encode(self.predictor.predict(value), media_type, accept)
        except ServeError as error:
            if isinstance(error, PredictFailed):
                _log.error("%s", error.message)
            raise
        except BaseException as error:
            # Also SystemExit: a model that calls sys.exit answers nothing, and ends nothing.
            _log.exception("predict raised")
            raise PredictFailed(
                "the model raised an exception",
                hint="the server's log has the traceback beside the request id",
            ) from error
