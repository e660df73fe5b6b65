"""From the model's description to a servable that has passed its golden records."""

import logging
import time

import msgspec

from shipmark_serve.codecs.codec import prepare
from shipmark_serve.codecs.media import JSON, MediaType
from shipmark_serve.contract import golden, plugins
from shipmark_serve.contract.errors import LoadFailed, ServeError, ShipmarkError
from shipmark_serve.contract.golden import Golden
from shipmark_serve.contract.schema import Binary, Schema
from shipmark_serve.predictor import Loader, ModelFiles
from shipmark_serve.servable import Servable
from shipmark_serve.settings import Settings

_log = logging.getLogger(__name__)
_JSON = MediaType(JSON)
_SHOWN_FAILURES = 10


def load(settings: Settings) -> Servable:
    """Load the model and run its golden records.

    Raises:
        ShipmarkError: The model cannot be loaded, or a record failed. What the model's own code
            raised is in the log with its traceback.
    """
    model = settings.model
    files = ModelFiles(
        root=settings.root,
        entry=None if model.entry is None else settings.root / model.entry,
        weights=settings.weights,
    )
    began = time.monotonic()
    try:
        loader: Loader = plugins.load("runtime", model.runtime)
        predictor = loader(files)
    except ShipmarkError:
        raise
    except BaseException as error:  # a model that calls sys.exit has failed to load as well
        _log.exception("loading %s raised", model.name)
        raise LoadFailed(
            f"the model {model.name} could not be loaded: {type(error).__name__}: {error}",
            hint="the traceback is above",
        ) from error
    servable = Servable(predictor, prepare(predictor.interface))
    _log.info("loaded %s in %.2f s", model.name, time.monotonic() - began)
    _rehearse(servable, settings)
    return servable


def _rehearse(servable: Servable, settings: Settings) -> None:
    """Run every golden record through the codec and the model, as a request would be."""
    schema = servable.predictor.interface.schema
    began = time.monotonic()
    passed, failures = 0, []
    for file in settings.model.golden:
        try:
            records = golden.load((settings.root / file).read_bytes(), file)
        except OSError as error:
            raise LoadFailed(f"cannot read the golden file {file}: {error.strerror}") from error
        for number, record in enumerate(records, start=1):
            failure = _try(servable, schema, record)
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


def _try(servable: Servable, schema: Schema, record: Golden) -> str | None:
    """What is wrong with the answer to a record's input; None where nothing is."""
    try:
        binary = isinstance(schema.input, Binary)
        body = golden.as_bytes(record.input) if binary else msgspec.json.encode(record.input)
        value = servable.codec.decode(body, None if binary else _JSON)
        answer = servable.answer(value, _JSON, JSON)
        expected, actual = record.output, answer.body
        if isinstance(schema.output, Binary):
            difference = golden.compare(golden.as_bytes(expected), actual, record.tolerance)
        else:
            difference = golden.compare(expected, msgspec.json.decode(actual), record.tolerance)
    except (ServeError, ShipmarkError) as error:
        return error.message
    return None if difference.within else f"at {difference.place}: {difference.reason}"
