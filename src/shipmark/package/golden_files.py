"""The golden records of a package: where they lie, and whether they can be what they say."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from shipmark.package.complaints import Complaints
from shipmark.package.paths import show
from shipmark.package.tree import Tree, read_small
from shipmark_serve.contract import golden
from shipmark_serve.contract.errors import ShipmarkError
from shipmark_serve.contract.schema import Binary, Schema, Tensors, Text, Value

FOLDER = "golden"
SUFFIX = ".golden.json"
MAX_GOLDEN_BYTES = 64 * 1024 * 1024


def golden_paths(paths: Sequence[str], model_file: str | None) -> tuple[str, ...]:
    """The files of golden records: `golden/*.json`, and `NAME.golden.json` beside a model file."""
    beside = None if model_file is None else golden_beside(model_file)
    return tuple(
        path
        for path in sorted(paths)
        if path == beside
        or (path.startswith(f"{FOLDER}/") and path.endswith(".json") and path.count("/") == 1)
    )


def golden_beside(model_file: str) -> str:
    """Where the golden records of a single model file lie."""
    path = PurePosixPath(model_file)
    return str(path.with_name(f"{path.stem}{SUFFIX}"))


def check_golden(
    tree: Tree, paths: Sequence[str], schema: Schema | None, complaints: Complaints
) -> None:
    """Complain of records that are not well-formed, or that the schema could never give."""
    for path in paths:
        try:
            records = golden.load(read_small(tree, path, MAX_GOLDEN_BYTES), path)
        except ShipmarkError as error:
            complaints.add(path, error.message, error.hint)
            continue
        for number, record in enumerate(records, start=1):
            if schema is None:
                continue
            for word, kind, value in (
                ("input", schema.input, record.input),
                ("output", schema.output, record.output),
            ):
                if (fault := _fault(kind, value)) is not None:
                    place = f"{show(path)} record {number} {word}"
                    complaints.add(place, *fault)


def _fault(kind: Value, value: object) -> tuple[str, str] | None:
    if isinstance(kind, Text) and not isinstance(value, str):
        return "is not a string, which the model takes and gives", "write it in quotes"
    if isinstance(kind, Binary):
        try:
            golden.as_bytes(value)
        except ShipmarkError as error:
            return error.message, error.hint
    if isinstance(kind, Tensors) and isinstance(value, dict):
        names = {spec.name for spec in kind.tensors}
        if unknown := sorted(value.keys() - names):
            return (
                f"has {show(unknown[0])!r}, which is no tensor of the model",
                f"the tensors are {', '.join(sorted(map(show, names)))}",
            )
    return None
