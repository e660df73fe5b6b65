"""From the model's description to a servable that has passed its golden records."""

import logging
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from shipmark_serve import determinism
from shipmark_serve.call import Call, Head
from shipmark_serve.codecs.media import JSON
from shipmark_serve.contract import golden, plugins
from shipmark_serve.contract.errors import LoadFailed, ServeError, ShipmarkError
from shipmark_serve.contract.golden import Golden
from shipmark_serve.contract.schema import Binary
from shipmark_serve.endpoints.predict import Predict
from shipmark_serve.measuring import holds_lock, measure, rows_are_independent
from shipmark_serve.placement import SLOW_S, WORTH, Cost
from shipmark_serve.predictor import Loader, ModelFiles
from shipmark_serve.servable import Servable
from shipmark_serve.settings import Settings

_log = logging.getLogger(__name__)
_JSON = JSON.encode()
_SHOWN_FAILURES = 10


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that has passed its golden records."""

    servable: Servable
    cost: Cost | None
    """What it costs here; None where that could not be measured."""
    holds_lock: bool
    """Whether it was seen to keep other threads from running."""


def load(settings: Settings) -> Loaded:
    """Load the model, run its golden records, and measure what it costs.

    Raises:
        ShipmarkError: The model cannot be loaded, or a record failed. What the model's own code
            raised is in the log with its traceback.
    """
    model = settings.model
    files = ModelFiles(
        root=settings.root,
        entry=None if model.entry is None else settings.root / model.entry,
        weights=settings.weights,
        deterministic=settings.serve.deterministic,
    )
    began = time.monotonic()
    try:
        loader: Loader = plugins.load("runtime", model.runtime)
        if files.deterministic:
            determinism.prepare()
        predictor = loader(files)
        if files.deterministic:
            predictor = determinism.Deterministic(predictor)
    except ShipmarkError:
        raise
    except BaseException as error:  # a model that calls sys.exit has failed to load as well
        _log.exception("loading %s raised", model.name)
        raise LoadFailed(
            f"the model {model.name} could not be loaded: {type(error).__name__}: {error}",
            hint="the traceback is above",
        ) from error
    servable = Servable(predictor)
    _log.info("loaded %s in %.2f s", model.name, time.monotonic() - began)
    samples = _rehearse(servable, settings)
    cost = measure(predictor, samples)
    most = settings.serve.max_batch_size
    wanted = most > 1 if most is not None else cost is None or cost.gain >= WORTH
    if wanted and predictor.interface.rows and not rows_are_independent(predictor, samples):
        servable.separate("two rows together were not answered as they are apart")
    slow = cost is not None and cost.of(1) >= SLOW_S and predictor.interface.threads == 1
    return Loaded(servable, cost, slow and holds_lock(predictor, samples))


def _rehearse(servable: Servable, settings: Settings) -> list[Any]:
    """Run every golden record through the codec and the model, as a request would be.

    Returns:
        The values that the model answered.

    Raises:
        LoadFailed: A record failed.
    """
    endpoint = Predict(servable.interface)
    samples: list[Any] = []
    began = time.monotonic()
    passed, failures = 0, []
    for file in settings.model.golden:
        try:
            records = golden.load((settings.root / file).read_bytes(), file)
        except OSError as error:
            raise LoadFailed(f"cannot read the golden file {file}: {error.strerror}") from error
        for number, record in enumerate(records, start=1):
            failure = _try(servable, endpoint, record, samples)
            if failure is None:
                passed += 1
            else:
                name = "" if record.name is None else f" ({record.name})"
                failures.append(f"record {number}{name} of {file}: {failure}")
    if failures:
        shown = failures[:_SHOWN_FAILURES]
        more = f"; and {len(failures) - len(shown)} more" if len(failures) > len(shown) else ""
        raise LoadFailed(
            f"{len(failures)} of {passed + len(failures)} golden records failed: "
            f"{'; '.join(shown)}{more}",
            hint="mend the model, or the record where it expects the wrong answer",
        )
    if passed:
        _log.info("%d golden records passed in %.2f s", passed, time.monotonic() - began)
    return samples


def _try(servable: Servable, endpoint: Predict, record: Golden, samples: list[Any]) -> str | None:
    """What is wrong with the answer to a record's input; None where nothing is."""
    schema = servable.interface.schema
    try:
        binary = isinstance(schema.input, Binary)
        head = Head(content_type=b"" if binary else _JSON, accept=_JSON)
        call = Call(endpoint.route, endpoint, head, b"-", 0.0, 0.0)
        call.body = golden.as_bytes(record.input) if binary else msgspec.json.encode(record.input)
        servable.decode(call)
        samples += call.value
        servable.run([call])
        if call.response is None:
            return call.error.message if call.error is not None else "there is no answer"
        expected, actual = record.output, call.response.body
        if isinstance(schema.output, Binary):
            difference = golden.compare(golden.as_bytes(expected), actual, record.tolerance)
        else:
            difference = golden.compare(expected, msgspec.json.decode(actual), record.tolerance)
    except (ServeError, ShipmarkError) as error:
        return error.message
    return None if difference.within else f"at {difference.place}: {difference.reason}"
