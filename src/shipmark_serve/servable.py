"""A loaded model: from decoded requests to their answers, one by one or several at once."""

import logging
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from shipmark_serve import logs
from shipmark_serve.call import Call
from shipmark_serve.contract.errors import PredictFailed, ServeError
from shipmark_serve.contract.schema import Tensors, TensorSpec
from shipmark_serve.predictor import Predictor

if TYPE_CHECKING:
    from shipmark_serve.rows import Rows

_log = logging.getLogger(__name__)


class Servable:
    """What requests and golden records go through alike.

    Every call ends with its own `answer` or its own `error`, whatever becomes of the others.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.interface = interface = predictor.interface
        self._predict = predictor.predict
        given, taken = interface.schema.input, interface.schema.output
        self._outputs: tuple[TensorSpec, ...] = ()
        if isinstance(taken, Tensors):
            from shipmark_serve.contract import arrays  # noqa: PLC0415 - text needs no numpy

            self._outputs = taken.tensors
            self._check = arrays.checked
        self._rows: Rows | None = None
        if isinstance(given, Tensors) and interface.rows:
            from shipmark_serve import rows  # noqa: PLC0415 - a model of text needs no numpy

            self._rows = rows.Rows(given)
            self._part = rows.part

    @property
    def joins(self) -> bool:
        """Whether it can answer several calls at once."""
        return self._rows is not None or self.interface.predict_batch is not None

    def separate(self, why: str) -> None:
        """Join no calls by their rows from now on."""
        _log.warning("requests are not joined: %s", why)
        self._rows = None

    def decode(self, call: Call) -> None:
        """Read a call's body, and count its rows.

        Raises:
            InvalidInput: It is not what the schema says, or its tensors differ in rows.
            UnsupportedMediaType: The model has no form for what its head says.
        """
        call.endpoint.decode(call)
        if self._rows is None:
            call.rows = len(call.value)
        else:
            (value,) = call.value
            call.rows = self._rows.count(value)
            call.key = self._rows.key(value)

    def run(self, calls: list[Call]) -> None:
        """Answer calls whose keys are equal, together where they are several.

        A batch that fails is run again one by one, so that only those fail that are at fault.
        """
        began = time.monotonic()
        rows = sum(call.rows for call in calls)
        for call in calls:
            call.started = began
            call.batch_rows = rows
        if len(calls) > 1 and self.joins:
            try:
                values = self._together(calls)
            except BaseException as error:  # noqa: BLE001 - also a model that calls sys.exit
                _log.warning(
                    "a batch of %d requests failed, and each is run alone: %s: %s",
                    len(calls),
                    type(error).__name__,
                    error,
                )
            else:
                seconds = time.monotonic() - began
                for call, value in zip(calls, values, strict=True):
                    call.seconds = seconds
                    self._answer(call, value)
                return
        for call in calls:
            self._answer(call)

    def _answer(self, call: Call, value: list[Any] | None = None) -> None:
        """Predict where that has not been done, and encode.

        Encoding belongs here: a model may use the array that it returned again at the next call.
        """
        try:
            if value is None:
                logs.request_id.set(call.request_id.decode())
                began = time.monotonic()
                try:
                    value = self._alone(call)
                finally:
                    call.seconds = time.monotonic() - began
            call.response = call.endpoint.encode(call, value)
        except ServeError as error:
            if isinstance(error, PredictFailed):
                _log.error("%s", error.message)
            call.error = error
        except BaseException:  # noqa: BLE001 - a model that calls sys.exit ends nothing
            _log.exception("predict raised")
            call.error = PredictFailed(
                "the model raised an exception",
                hint="the server's log has the traceback beside the request id",
            )

    def _alone(self, call: Call) -> list[Any]:
        if self.interface.predict_batch is not None:
            return self._checked_batch(call.value)
        answers = [self._checked(self._predict(item)) for item in call.value]
        if self._rows is not None and not self._rows.follows(answers[0], call.rows):
            # It is an answer all the same; but the model does not answer row by row.
            self.separate(f"the model answered {call.rows} rows with another number of them")
        return answers

    def _together(self, calls: list[Call]) -> list[list[Any]]:
        """The outputs of all calls, in order.

        Raises:
            BaseException: Whatever the model raised; or it answered more rows, or fewer.
        """
        logs.request_id.set("-")
        if self._rows is None:
            answers = iter(self._checked_batch([item for call in calls for item in call.value]))
            return [list(islice(answers, call.rows)) for call in calls]
        output = self._predict(self._rows.join([call.value[0] for call in calls]))
        return [
            [value] for value in self._part(self._checked(output), [call.rows for call in calls])
        ]

    def _checked_batch(self, items: list[Any]) -> list[Any]:
        predict_batch = self.interface.predict_batch
        assert predict_batch is not None  # noqa: S101 - for mypy: its callers have looked
        answers = predict_batch(items)
        if len(answers) != len(items):
            raise PredictFailed(
                f"predict_batch answered {len(answers)} items where {len(items)} were asked",
                hint="item i of the answer must belong to item i of the question",
            )
        return [self._checked(answer) for answer in answers]

    def _checked(self, output: Any) -> Any:
        """An output of the datatypes and shapes of the schema.

        Raises:
            PredictFailed: It is not.
        """
        for spec in self._outputs:
            self._check(output[spec.name], spec)
        return output
