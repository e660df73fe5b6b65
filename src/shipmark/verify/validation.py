"""`[validate]`: does a version answer a data set well enough?

The model is asked over HTTP, as any caller would ask it, so that what is measured is what will be
served.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from shipmark.client import Client
from shipmark.errors import PackageError, ServeError, ShipmarkError
from shipmark.package import Package
from shipmark.package.config import ValidateTable
from shipmark.package.config_rules import CONFIG_FILE
from shipmark.progress import Progress
from shipmark.verify import dataset
from shipmark.verify.metrics import Incomparable, metric
from shipmark_serve.contract import golden
from shipmark_serve.contract.golden import Golden
from shipmark_serve.contract.records import Record
from shipmark_serve.contract.schema import Binary, Schema, Tensors, Value

_JSON = "application/json"
_MARGIN_S = 5.0
"""The server's own deadline should come first: it says more."""
_MAX_ANSWER_BYTES = 256 << 20


class Validation(Record, frozen=True, kw_only=True):
    """What a version reached."""

    data: str
    records: int
    metric: str
    value: float
    threshold: float

    def __str__(self) -> str:
        noun = "record" if self.records == 1 else "records"
        return (
            f"{self.metric} is {_shown(self.value, self.threshold)} "
            f"on {self.records} {noun} of {self.data}"
        )


def examine(package: Package) -> int:
    """Read the data set through, without running anything.

    Returns:
        How many records it has; 0 where the package asks for no validation.

    Raises:
        PackageError: A record is not right, or no model could reach the threshold.
    """
    table = package.config.validate
    if table is None:
        return 0
    number = 0
    with _about(package):
        _check_threshold(table)
        for number, record in _records(package, table):
            _check_keys(dataset.place_of(table.data, number, record), package.model.schema, record)
    return number


def validate(package: Package, url: str, *, records: int, progress: Progress) -> Validation | None:
    """Ask the model at `url` for every record, and compare what it reaches with the threshold.

    Args:
        package: The package that is served there.
        url: Where.
        records: How many there are, as `examine` has counted.
        progress: Who watches.

    Returns:
        What it reached; None where the package asks for no validation.

    Raises:
        PackageError: It does not reach the threshold, or fails at a record, which is named.
    """
    table = package.config.validate
    if table is None:
        return None
    timeout_s = package.config.serve.timeout_s + _MARGIN_S
    reached = metric(table.metric)
    first_wrong = ""
    number = 0
    with (
        _about(package),
        Client(url, timeout_s=timeout_s, max_answer_bytes=_MAX_ANSWER_BYTES) as client,
        progress.task(table.data, total=records, unit="records") as task,
    ):
        for number, record in _records(package, table):
            place = dataset.place_of(table.data, number, record)
            expected, actual = _asked(client, package.model.schema, record, place)
            try:
                fault = reached.add(expected, actual)
            except Incomparable as error:
                mend = f"{table.metric} compares numbers; correct the record, or take accuracy"
                raise dataset.wrong(place, str(error), mend) from error
            except RecursionError as error:
                raise dataset.wrong(
                    place, "has an answer nested too deeply", "flatten it"
                ) from error
            if fault and not first_wrong:
                first_wrong = f"{place}: {fault}"
            task.advance(1)
        validation = Validation(
            data=table.data,
            records=number,
            metric=table.metric,
            value=reached.value,
            threshold=table.threshold,
        )
        greater = reached.greater_is_better
        if not (reached.value >= table.threshold if greater else reached.value <= table.threshold):
            raise _missed(validation, greater_is_better=greater, first_wrong=first_wrong)
    return validation


def _records(package: Package, table: ValidateTable) -> Iterator[tuple[int, Golden]]:
    with package.source.open(table.data) as stream:
        yield from enumerate(dataset.records(stream, table.data), start=1)


def _asked(
    client: Client, schema: Schema | None, record: Golden, place: str
) -> tuple[object, object]:
    """The expected output and the answer, in the same form."""
    try:
        if _is_binary(schema, record.input):
            answer = client.predict(golden.as_bytes(record.input), accept=_JSON)
        else:
            answer = client.predict(record.input, media_type=_JSON, accept=_JSON)
        is_binary = isinstance(answer.value, bytes)
        expected = golden.as_bytes(record.output) if is_binary else record.output
    except ServeError as error:
        mend = error.hint or "mend the model, or the record"
        raise dataset.wrong(place, f"is not answered: {error.message}", mend) from error
    except ShipmarkError as error:
        raise dataset.wrong(place, error.message, error.hint) from error
    return expected, answer.value


def _is_binary(schema: Schema | None, value: object) -> bool:
    if schema is not None:
        return isinstance(schema.input, Binary)
    return isinstance(value, dict) and value.keys() == {"base64"}


def _check_threshold(table: ValidateTable) -> None:
    if table.metric == "accuracy" and not 0 <= table.threshold <= 1:
        mend = "97 right of 100 are an accuracy of 0.97"
    elif table.threshold < 0:
        mend = "it is the greatest error that is allowed"
    else:
        return
    raise dataset.wrong(
        f"{CONFIG_FILE} [validate] threshold",
        f"is {table.threshold:g}, which no {table.metric} can be",
        mend,
    )


def _check_keys(place: str, schema: Schema | None, record: Golden) -> None:
    """Refuse tensors that the model does not have; what else it takes only the server can tell."""
    if schema is None:
        return
    sides: tuple[tuple[str, Value, object], ...] = (
        ("input", schema.input, record.input),
        ("output", schema.output, record.output),
    )
    for side, kind, value in sides:
        if isinstance(kind, Tensors) and isinstance(value, dict):
            names = {spec.name for spec in kind.tensors}
            if unknown := sorted(value.keys() - names):
                raise dataset.wrong(
                    f"{place} {side}",
                    f"has {unknown[0]!r}, which is no tensor of the model",
                    f"the tensors are {', '.join(sorted(names))}",
                )


def _missed(validation: Validation, *, greater_is_better: bool, first_wrong: str) -> PackageError:
    """The error for a threshold that was not reached."""
    threshold = _shown(validation.threshold, validation.value)
    wanted = threshold if greater_is_better else f"at most {threshold}"
    first = f"; the first that is wrong is {first_wrong}" if first_wrong else ""
    return dataset.wrong(
        CONFIG_FILE,
        f"{validation}; [validate] threshold asks for {wanted}",
        f"mend the model{first}",
    )


def _shown(value: float, other: float) -> str:
    """A number short enough to read and long enough to differ from `other`."""
    short = f"{value:.4g}"
    return short if value == other or short != f"{other:.4g}" else repr(value)


@contextmanager
def _about(package: Package) -> Iterator[None]:
    """Name the package in what is wrong with it."""
    try:
        yield
    except PackageError as error:
        raise PackageError.of(package.origin, error.complaints) from error
