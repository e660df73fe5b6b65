"""What a model costs on this machine, measured before the first request."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from statistics import median
from typing import Any

from shipmark_serve.contract.schema import Tensors
from shipmark_serve.placement import Cost
from shipmark_serve.predictor import Predictor

_ROWS = 8
_ENOUGH_S = 0.004
_TOO_LONG_S = 0.05
_MAX_RUNS = 50
_NAP_S = 5e-4
_HELD_S = 3e-3
_WATCHED_S = 0.02
_ATTEMPTS = 5


def measure(predictor: Predictor, samples: list[Any]) -> Cost | None:
    """Measure t(1) and t(8).

    Args:
        predictor: The model.
        samples: Values that it has answered already; where there are none, and nothing but its
            answer comes of calling it, one is made up.

    Returns:
        None where there is nothing to call it with.
    """
    interface = predictor.interface
    given = interface.schema.input
    value = samples[0] if samples else None
    if value is None and interface.pure and isinstance(given, Tensors):
        value = _made_up(given)
    if value is None:
        return None
    predict: Callable[[Any], Any] = predictor.predict
    one_s = _time(predict, value)
    if one_s is None:
        return None
    if interface.rows:
        rows = len(next(iter(value.values())))
        if rows != 1:
            value = {name: array[:1] for name, array in value.items()}
            one_s = _time(predictor.predict, value)
        several: Any = {name: array.repeat(_ROWS, axis=0) for name, array in value.items()}
    elif interface.predict_batch is not None:
        several, predict = [value] * _ROWS, interface.predict_batch
    else:
        return Cost(base_s=one_s, row_s=0.0)
    if one_s is None:
        return None
    if one_s > _TOO_LONG_S:
        return Cost(base_s=0.0, row_s=one_s)
    eight_s = _time(predict, several)
    return None if eight_s is None else Cost.fitted(one_s, eight_s)


def rows_are_independent(predictor: Predictor, samples: list[Any]) -> bool:
    """Whether requests can be joined by their rows, tried on two rows that differ.

    Args:
        predictor: A model of tensors.
        samples: Values that it has answered already; rows are made up where there are not two.
    """
    from shipmark_serve import rows  # noqa: PLC0415 - a model of text needs no numpy

    given = predictor.interface.schema.input
    if not isinstance(given, Tensors):
        return False
    found = [
        {name: array[index : index + 1] for name, array in value.items()}
        for value in samples
        for index in range(len(next(iter(value.values()))))
    ]
    one = found[0] if found else _made_up(given)
    others = [_opposite(one)]
    if len(found) > 1 and all(one[name].shape == found[-1][name].shape for name in one):
        others.append(found[-1])
    try:
        return all(rows.independent(predictor.predict, one, other) for other in others)
    except Exception:  # noqa: BLE001 - rows that were made up are not what it takes
        return False


def holds_lock(predictor: Predictor, samples: list[Any]) -> bool:
    """Whether the model keeps the other threads of its process from running.

    A thread that wants to wake up every half millisecond has to wait for the interpreter's
    switch interval, 5 ms, where it does.

    Args:
        predictor: The model.
        samples: Values that it has answered already.
    """
    if not samples:
        return False
    for _ in range(_ATTEMPTS):
        # What else is imported meanwhile holds the lock as well.
        if _wakes_after(partial(time.sleep, _WATCHED_S)) < _HELD_S / 2:
            return _wakes_after(partial(_repeat, predictor.predict, samples[0])) > _HELD_S
    return False


def _wakes_after(work: Callable[[], None]) -> float:
    """How long a thread that asks for half a millisecond sleeps meanwhile, in seconds."""
    naps: list[float] = []
    over = threading.Event()

    def nap() -> None:
        while not over.is_set():
            began = time.monotonic()
            time.sleep(_NAP_S)
            naps.append(time.monotonic() - began)

    thread = threading.Thread(target=nap, daemon=True)
    thread.start()
    work()
    over.set()
    thread.join()
    return median(naps)


def _repeat(predict: Callable[[Any], Any], value: Any) -> None:
    end = time.monotonic() + _WATCHED_S
    with suppress(Exception):
        while time.monotonic() < end:
            predict(value)


def _time(predict: Callable[[Any], Any], value: Any) -> float | None:
    """The median of some runs after one to warm up, in seconds; None where it raises."""
    runs: list[float] = []
    try:
        predict(value)
        end = time.monotonic() + _ENOUGH_S
        while not runs or (time.monotonic() < end and len(runs) < _MAX_RUNS):
            began = time.monotonic()
            predict(value)
            runs.append(time.monotonic() - began)
    except Exception:  # noqa: BLE001 - a value that was made up is not what it takes
        return None
    return median(runs)


def _opposite(row: dict[str, Any]) -> dict[str, Any]:
    """A row that differs, in sign too; small whole numbers, since those may be indices."""
    return {
        name: array
        if array.dtype == object
        else -array - array.dtype.type(0.5)
        if array.dtype.kind == "f"
        else (array == 0).astype(array.dtype)
        for name, array in row.items()
    }


def _made_up(given: Tensors) -> dict[str, Any]:
    import numpy  # noqa: PLC0415 - a model of text needs no numpy

    from shipmark_serve.contract.arrays import DTYPES  # noqa: PLC0415

    return {
        spec.name: numpy.full(
            [1 if length == -1 else length for length in spec.shape],
            "" if spec.datatype == "BYTES" else 1,
            DTYPES[spec.datatype],
        )
        for spec in given.tensors
    }
