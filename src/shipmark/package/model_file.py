"""What a model file says of itself: its schema, what it needs, and what belongs to it."""

from dataclasses import dataclass

from packaging.version import Version

from shipmark.package.complaints import Complaints
from shipmark.package.detect import ONNX
from shipmark.package.onnx_file import external_paths, read_onnx, schema_of
from shipmark.package.paths import show
from shipmark.package.requirements import Requirements
from shipmark.package.sklearn_file import sklearn_version
from shipmark.package.tree import Tree, reading, refuse_pointer
from shipmark_serve.contract.schema import Schema

SKLEARN_PROJECT = "scikit-learn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """What was read of a model file without running anything."""

    schema: Schema | None
    requirements: Requirements
    """The package's, with those of the runtime."""
    data: tuple[str, ...] = ()
    """Files beside it that hold its weights."""


def read_model_file(
    tree: Tree, path: str, runtime: str, requirements: Requirements, complaints: Complaints
) -> ModelFile:
    """Read the model file at `path`, complaining of what is wrong inside it.

    Raises:
        PackageError: It is no whole file of its kind.
    """
    with reading(path):
        return _read(tree, path, runtime, requirements, complaints)


def _read(
    tree: Tree, path: str, runtime: str, requirements: Requirements, complaints: Complaints
) -> ModelFile:
    with tree.open(path) as stream:
        refuse_pointer(path, stream.read(64))
    if runtime == ONNX:
        return _read_onnx(tree, path, requirements, complaints)
    version = sklearn_version(tree, path)
    _check_pins(requirements, version, path, complaints)
    needed = [f"{SKLEARN_PROJECT}=={version}", "joblib"]
    if path.endswith(".skops"):
        needed.append("skops")
    return ModelFile(schema=None, requirements=requirements.with_runtime(*needed))


def _read_onnx(
    tree: Tree, path: str, requirements: Requirements, complaints: Complaints
) -> ModelFile:
    sizes = {found.path: found.size for found in tree.found}
    model = read_onnx(tree, path, sizes[path])
    data = external_paths(model, path, complaints)
    for missing in (each for each in data if each not in sizes):
        complaints.add(
            show(path),
            f"has its weights in {show(missing)!r}, which is not there",
            "put the file beside the model, under the name it was exported with",
        )
    return ModelFile(
        schema=schema_of(model, path, complaints),
        requirements=requirements.with_runtime("onnxruntime", "numpy"),
        data=tuple(each for each in data if each in sizes),
    )


def _check_pins(
    requirements: Requirements, version: str, path: str, complaints: Complaints
) -> None:
    for each in requirements.naming(SKLEARN_PROJECT):
        if not each.specifier.contains(Version(version), prereleases=True):
            complaints.add(
                requirements.place,
                f"asks for {each}, and {show(path)} was saved by scikit-learn {version}, which "
                "alone is sure to read it right",
                f"remove the requirement, or save the model with {each}",
            )
