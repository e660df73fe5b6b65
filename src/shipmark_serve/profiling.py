"""`python -m shipmark_serve.profiling`: runs an ONNX model and says where the time goes.

It reads the server's settings, and writes a `contract.profile.Profile` as JSON.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy
import onnxruntime

from shipmark_serve.codecs.codec import prepare
from shipmark_serve.codecs.media import JSON, MediaType
from shipmark_serve.contract import golden
from shipmark_serve.contract.errors import LoadFailed, ShipmarkError
from shipmark_serve.contract.profile import Profile, Spent
from shipmark_serve.contract.schema import Tensors, TensorSpec
from shipmark_serve.contract.tensor import DTYPE_OF_DATATYPE
from shipmark_serve.predictor import ModelFiles
from shipmark_serve.runtimes import onnx
from shipmark_serve.settings import Settings, from_environment

_WARM_UP_RUNS = 5
_OTHER_AXES = 8
"""Length of an axis that the schema leaves open, beyond the first."""
_SEED = 0
Feed = dict[str, numpy.ndarray[Any, Any]]


class _Event(msgspec.Struct):
    """An entry of onnxruntime's trace; other fields are left alone."""

    name: str = ""
    cat: str = ""
    dur: float = 0.0
    """Whole microseconds."""
    args: dict[str, Any] = {}


def profile(settings: Settings, *, runs: int, rows: int | None) -> Profile:
    """Run the model of the settings with onnxruntime's profiler on.

    Args:
        settings: The server's.
        runs: How often, after a few that do not count.
        rows: Length of the first axis of made-up inputs; None takes the golden records where
            there are some, else 1.

    Raises:
        LoadFailed: It is no ONNX model, or cannot be loaded or run.
    """
    model = settings.model
    if model.runtime != "onnx":
        raise LoadFailed(
            f"{model.name} is a {model.runtime} model: only operators of ONNX can be profiled",
            hint="profile Python code with py-spy or cProfile",
        )
    with tempfile.TemporaryDirectory(prefix="shipmark-profile-") as scratch:
        files = ModelFiles(
            root=settings.root,
            entry=None,
            weights=settings.weights,
            deterministic=settings.serve.deterministic,
        )
        options = onnx.options(files)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(scratch) / "trace")
        session = onnx.session(files, options)
        predictor = onnx.OnnxPredictor(session)
        schema = predictor.interface.schema.input
        assert isinstance(schema, Tensors)  # noqa: S101 - for mypy: ONNX knows tensors alone
        feeds, named = _golden(settings, predictor) if rows is None else ([], "")
        if not feeds:
            feeds, named = [made_up(schema.tensors, rows or 1)], f"made up, {rows or 1} rows"
        seconds = _run(session, feeds, runs)
        trace = Path(session.end_profiling()).read_bytes()
    nodes = _nodes(msgspec.json.decode(trace, type=list[_Event]))
    return Profile(
        model=model.name,
        version=model.version,
        library=f"onnxruntime {onnxruntime.__version__}",
        inputs=named,
        runs=runs,
        run_s=seconds,
        operators=_spent(nodes, lambda event: event.args["op_name"], runs),
        nodes=_spent(nodes, _node, runs),
    )


def made_up(tensors: Sequence[TensorSpec], rows: int) -> Feed:
    """Values of the schema's datatypes and shapes, the same each time."""
    random = numpy.random.default_rng(_SEED)
    feed: Feed = {}
    for spec in tensors:
        shape = tuple(
            length if length >= 0 else (rows if axis == 0 else _OTHER_AXES)
            for axis, length in enumerate(spec.shape)
        )
        if spec.datatype == "BYTES":
            feed[spec.name] = numpy.full(shape, "text", dtype=object)
        elif spec.datatype.startswith("FP"):
            feed[spec.name] = random.standard_normal(shape).astype(DTYPE_OF_DATATYPE[spec.datatype])
        else:
            # Whole numbers are often indices: small ones are in every range.
            feed[spec.name] = random.integers(0, 2, shape).astype(DTYPE_OF_DATATYPE[spec.datatype])
    return feed


def _golden(settings: Settings, predictor: onnx.OnnxPredictor) -> tuple[list[Feed], str]:
    decode = prepare(predictor.interface).decode
    feeds = [
        decode(msgspec.json.encode(record.input), MediaType(JSON))
        for file in settings.model.golden
        for record in golden.load((settings.root / file).read_bytes(), file)
    ]
    return feeds, f"{len(feeds)} golden records"


def _run(session: onnxruntime.InferenceSession, feeds: list[Feed], runs: int) -> float:
    """Median seconds of a run."""
    names = [output.name for output in session.get_outputs()]
    seconds = []
    try:
        for number in range(-_WARM_UP_RUNS, runs):
            feed = feeds[number % len(feeds)]
            began = time.perf_counter()
            session.run(names, feed)
            seconds.append(time.perf_counter() - began)
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise LoadFailed(
            f"the model cannot be run: {error}",
            hint="made-up inputs do not fit every model: add a golden record",
        ) from error
    return median(seconds[_WARM_UP_RUNS:])


def _nodes(events: Iterable[_Event]) -> list[_Event]:
    """What was run on nodes, after the runs that do not count; events stand in order."""
    ended = 0
    nodes = []
    for event in events:
        if event.name == "model_run":
            ended += 1
        elif event.cat == "Node" and ended >= _WARM_UP_RUNS:
            nodes.append(event)
    return nodes


def _node(event: _Event) -> str:
    return event.name.removesuffix("_kernel_time")


def _spent(events: Iterable[_Event], key: Callable[[_Event], str], runs: int) -> tuple[Spent, ...]:
    groups: dict[str, list[_Event]] = defaultdict(list)
    for event in events:
        groups[key(event)].append(event)
    total = sum(event.dur for group in groups.values() for event in group) or 1.0
    spent = [
        Spent(
            name=name,
            operator=group[0].args["op_name"],
            provider=group[0].args.get("provider", ""),
            calls=round(len(group) / runs),
            seconds=sum(event.dur for event in group) / runs / 1e6,
            share=sum(event.dur for event in group) / total,
        )
        for name, group in groups.items()
    ]
    return tuple(sorted(spent, key=lambda each: (-each.seconds, each.name)))


def main() -> int:
    """Profile, and print the profile or the error as JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--runs", type=int, default=100)
    arguments.add_argument("--rows", type=int)
    asked = arguments.parse_args()
    try:
        found = profile(from_environment(), runs=asked.runs, rows=asked.rows)
    except ShipmarkError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - read by the one who started this
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
