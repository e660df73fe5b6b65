"""Which runtime a package is for, where it starts, and where its weights lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from shipmark.package.complaints import Complaints, did_you_mean
from shipmark.package.config_file import ConfigFile
from shipmark.package.config_rules import CONFIG_FILE
from shipmark.package.ignore import IGNORE_FILE
from shipmark.package.paths import clean, show
from shipmark_serve.contract import plugins

PYTHON, ONNX, SKLEARN = "python", "onnx", "sklearn"

RUNTIME_OF_SUFFIX = {".onnx": ONNX, ".joblib": SKLEARN, ".skops": SKLEARN}
"""A file with one of these suffixes is a model by itself."""

DEFAULT_ENTRY = "model.py"
DEFAULT_WEIGHTS = "weights"

_NEARLY_MODELS = {
    ".pkl": "save it with joblib.dump as .joblib if it is of scikit-learn",
    ".pickle": "save it with joblib.dump as .joblib if it is of scikit-learn",
    ".pt": "export it to ONNX: torch.onnx.export",
    ".pt2": "export it to ONNX: torch.onnx.export",
    ".pth": "export it to ONNX: torch.onnx.export",
    ".h5": "export it to ONNX: tf2onnx",
    ".keras": "export it to ONNX: model.export(..., format='onnx')",
    ".tflite": "export it to ONNX: tf2onnx",
    ".safetensors": "add a model.py that loads it",
    ".gguf": "add a model.py that loads it",
}
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Detected:
    """How the package starts."""

    runtime: str
    entry: str | None
    """The Python file; None where there is none."""
    model_file: str | None
    """The model file that the runtime itself loads; None for python."""
    weights: str | None
    """The file or folder that is the weights' half; None where there is none."""


def detect(paths: Sequence[str], file: ConfigFile, complaints: Complaints) -> Detected | None:
    """Find the runtime, entry and weights among `paths`, as `shipmark.toml` says or by custom.

    Returns:
        None where that is impossible; then it was complained of.
    """
    model, weights = file.config.model, file.config.weights
    said = None if weights.path is None else clean(weights.path)
    if said is not None and not _exists(said, paths):
        complaints.add(
            file.place("weights", "path"),
            f"{show(said)!r} is not in the package",
            f"correct the path, or see whether {IGNORE_FILE} leaves it out",
        )
        return None
    runtime = model.runtime
    if runtime is not None and runtime not in (known := plugins.names("runtime")):
        place = file.place("model", "runtime")
        complaints.add(place, f"{show(runtime)!r} is no runtime", did_you_mean(runtime, known))
        return None
    if runtime is None and (model.entry is not None or DEFAULT_ENTRY in paths):
        runtime = PYTHON
    if runtime is None and said is not None:
        runtime = runtime_of(said)
    if runtime == PYTHON:
        return _python(paths, said, file, complaints)
    if runtime not in (None, ONNX, SKLEARN):
        return _plug_in(runtime, paths, said, file)
    if model.entry is not None:
        complaints.add(
            file.place("model", "entry"),
            f"has no meaning for the runtime {runtime}",
            'remove it, or set runtime = "python"',
        )
        return None
    return _model_file(paths, runtime, said, file, complaints)


def _python(
    paths: Sequence[str], said: str | None, file: ConfigFile, complaints: Complaints
) -> Detected | None:
    given = file.config.model.entry
    entry = DEFAULT_ENTRY if given is None else clean(given)
    if entry not in paths:
        place = CONFIG_FILE if given is None else file.place("model", "entry")
        complaints.add(
            place,
            f"the entry {show(entry)!r} is not in the package",
            did_you_mean(entry, [p for p in paths if p.endswith(".py")] or [DEFAULT_ENTRY]),
        )
        return None
    if not entry.endswith(".py"):
        complaints.add(
            file.place("model", "entry"),
            f"{show(entry)!r} is not a Python file",
            f'name it under [weights]: path = "{entry}"'
            if runtime_of(entry)
            else "name the .py file that defines predict",
        )
        return None
    weights = said
    if weights is not None and (entry == weights or _is_below(entry, weights)):
        complaints.add(
            file.place("weights", "path"),
            f"{show(weights)!r} holds the entry {show(entry)!r}; code and weights are two halves",
            "keep the weights in a folder of their own",
        )
        return None
    weights = weights or _default_weights(paths)
    if weights is None and (loose := [path for path in paths if runtime_of(path)]):
        complaints.note(
            loose[0],
            "counts as code, so that the code's version changes with it",
            f'move it to {DEFAULT_WEIGHTS}/, or write path = "{loose[0]}" under [weights]',
        )
    return Detected(PYTHON, entry, None, weights)


def _plug_in(runtime: str, paths: Sequence[str], said: str | None, file: ConfigFile) -> Detected:
    """A runtime that is installed beside Shipmark's own looks for its files itself."""
    entry = file.config.model.entry
    return Detected(
        runtime, None if entry is None else clean(entry), None, said or _default_weights(paths)
    )


def _model_file(
    paths: Sequence[str],
    runtime: str | None,
    said: str | None,
    file: ConfigFile,
    complaints: Complaints,
) -> Detected | None:
    within = [path for path in paths if said is None or path == said or _is_below(path, said)]
    candidates = [path for path in within if (kind := runtime_of(path)) and runtime in (None, kind)]
    if len(candidates) != 1:
        if candidates:
            complaints.add(file.place("weights", "path") if said else ".", *_several(candidates))
        else:
            complaints.add(".", *_none(paths, runtime))
        return None
    (found,) = candidates
    weights = said
    if weights is None:
        weights = DEFAULT_WEIGHTS if _is_below(found, DEFAULT_WEIGHTS) else found
    return Detected(runtime or RUNTIME_OF_SUFFIX[_suffix(found)], None, found, weights)


def _several(candidates: list[str]) -> tuple[str, str]:
    listed = ", ".join(map(show, candidates[:_SHOWN]))
    more = f" and {len(candidates) - _SHOWN} more" if len(candidates) > _SHOWN else ""
    line = f'[weights] path = "{candidates[0]}"'
    mend = f"write into {CONFIG_FILE} which one is meant: {line}; or add a {DEFAULT_ENTRY}"
    return f"holds several models: {listed}{more}", mend


def _none(paths: Sequence[str], runtime: str | None) -> tuple[str, str]:
    if runtime is not None:
        suffixes = [suffix for suffix, kind in RUNTIME_OF_SUFFIX.items() if kind == runtime]
        return f"holds no {' or '.join(suffixes)} file for the runtime {runtime}", "add the file"
    for path in paths:
        if (mend := nearly_model(path)) is not None:
            return f"holds no model that can be served; {show(path)} is not one by itself", mend
    wanted = f"a {DEFAULT_ENTRY} with predict, or one {', '.join(RUNTIME_OF_SUFFIX)} file"
    message = f"holds no model: expected {wanted}"
    scripts = [path for path in paths if path.endswith(".py") and "/" not in path]
    if scripts:
        line = f'[model] entry = "{scripts[0]}"'
        return message, f"if predict is in {show(scripts[0])}, write into {CONFIG_FILE}: {line}"
    return message, f"add one (shipmark new makes an example); does {IGNORE_FILE} leave it out?"


def nearly_model(path: str) -> str | None:
    """What to do with a model file that cannot be served as it is; None for other files."""
    return _NEARLY_MODELS.get(_suffix(path))


def _default_weights(paths: Sequence[str]) -> str | None:
    return DEFAULT_WEIGHTS if any(_is_below(path, DEFAULT_WEIGHTS) for path in paths) else None


def _exists(path: str, paths: Sequence[str]) -> bool:
    return path in paths or any(_is_below(each, path) for each in paths)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def runtime_of(path: str) -> str | None:
    """The runtime of a file that is a model by itself."""
    return RUNTIME_OF_SUFFIX.get(_suffix(path))
