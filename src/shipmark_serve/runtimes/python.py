"""A Python file with `predict`, and `init` where there is something to load."""

import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from shipmark_serve.contract.errors import LoadFailed, PredictFailed
from shipmark_serve.contract.schema import Binary, Json, Schema, Tensors, Text, Value
from shipmark_serve.contract.signature import (
    INIT,
    PREDICT,
    PREDICT_BATCH,
    input_tensor,
    output_tensor,
)
from shipmark_serve.contract.tensor import Tensor
from shipmark_serve.predictor import Interface, Loader, ModelFiles, Predictor


def load(files: ModelFiles) -> Predictor:
    """Import the entry file, read the annotations of `predict`, and call `init`."""
    if files.entry is None:
        raise LoadFailed("the runtime python needs an entry file", hint="set [model] entry")
    module = _import(files.entry, files.root)
    predict = getattr(module, PREDICT, None)
    if not inspect.isroutine(predict):
        raise LoadFailed(
            f"{files.entry.name} has no function {PREDICT}", hint=f"define {PREDICT}(text)"
        )
    interface = read_interface(predict, files.entry.name)
    batch = getattr(module, PREDICT_BATCH, None)
    init = getattr(module, INIT, None)
    if init is not None:
        init()
    return PythonPredictor(predict, interface, batch)


class PythonPredictor:
    """The model's own `predict`; one thread at a time, since it was not written for more."""

    def __init__(
        self,
        predict: Callable[[Any], Any],
        interface: Interface,
        batch: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        self.interface = interface
        self._predict = predict
        if batch is not None:
            self._batch = batch
            self.interface = replace(interface, predict_batch=self._predict_batch)
        given, taken = interface.schema.input, interface.schema.output
        self._parameter = given.tensors[0].name if isinstance(given, Tensors) else None
        self._output = taken.tensors[0].name if isinstance(taken, Tensors) else None
        self._type = (
            str if isinstance(taken, Text) else bytes if isinstance(taken, Binary) else None
        )

    def predict(self, value: Any) -> Any:
        """Call the model's `predict`."""
        return self._checked(self._predict(self._given(value)), PREDICT)

    def _predict_batch(self, values: list[Any]) -> list[Any]:
        answers = self._batch([self._given(value) for value in values])
        try:
            listed = list(answers)
        except TypeError as error:
            raise PredictFailed(
                f"{PREDICT_BATCH} answered {type(answers).__name__}, and not a list",
                hint="answer one item for each item asked",
            ) from error
        return [self._checked(answer, PREDICT_BATCH) for answer in listed]

    def _given(self, value: Any) -> Any:
        if self._parameter is None:
            return value
        array = value[self._parameter]
        # The model may change its input in place; what came in binary lies in the request.
        return array if array.flags.writeable and array.flags.aligned else array.copy()

    def _checked(self, answer: Any, function: str) -> Any:
        if self._output is not None:
            return {self._output: answer}
        if self._type is not None and not isinstance(answer, self._type):
            raise PredictFailed(
                f"{function} answered {type(answer).__name__}, and the annotation says "
                f"{self._type.__name__}",
                hint="change the annotation or the answer",
            )
        return answer


def read_interface(predict: Callable[..., object], file: str) -> Interface:
    """Read what `predict` takes and gives from its annotations.

    Raises:
        LoadFailed: It does not take exactly one value, or an annotation has no codec.
    """
    if inspect.iscoroutinefunction(predict) or inspect.isasyncgenfunction(predict):
        raise LoadFailed(f"{PREDICT} in {file} is async", hint=f"write def {PREDICT}(...)")
    parameters = list(inspect.signature(predict).parameters.values())
    required = [p for p in parameters if p.default is p.empty and p.kind not in _VARIADIC]
    if len(required) != 1 or required[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise LoadFailed(
            f"{PREDICT} in {file} must take exactly one required positional parameter, and takes "
            f"{len(required)}: {inspect.signature(predict)}",
            hint="give the others defaults, or take one dict or dataclass",
        )
    name = required[0].name
    try:
        hints = typing.get_type_hints(predict, include_extras=True)
    except Exception as error:
        raise LoadFailed(
            f"cannot evaluate the annotations of {PREDICT} in {file}: {error}",
            hint="import the names they use outside of TYPE_CHECKING",
        ) from error
    given, given_type = _value(hints.get(name, str), name, file)
    taken, taken_type = _value(hints.get("return", str), None, file)
    return Interface(
        schema=Schema(input=given, output=taken), input_type=given_type, output_type=taken_type
    )


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _value(annotation: Any, parameter: str | None, file: str) -> tuple[Value, Any]:
    """The schema of one annotation, and the type that msgspec should decode to."""
    whose = "return" if parameter is None else repr(parameter)
    where = f"the {whose} annotation of {PREDICT} in {file}"
    if annotation is str:
        return Text(), str
    if annotation is bytes:
        return Binary(), bytes
    for marker in getattr(annotation, "__metadata__", ()):
        if isinstance(marker, Tensor):
            return output_tensor(marker) if parameter is None else input_tensor(
                parameter, marker
            ), Any
    base = typing.get_origin(annotation) or annotation
    if getattr(base, "__module__", "").partition(".")[0] == "numpy":
        raise LoadFailed(
            f"{where} does not say which array",
            hint='write Annotated[numpy.ndarray, Tensor("float32", (-1, 4))], with '
            "from shipmark_serve import Tensor",
        )
    try:
        schema = msgspec.json.encode(msgspec.json.schema(annotation))
        msgspec.json.Decoder(annotation)
    except Exception as error:
        reason = str(error).splitlines()[-1]
        raise LoadFailed(
            f"{where} cannot be served: {reason}",
            hint="use str, bytes, JSON types, TypedDicts, dataclasses, msgspec structs or "
            "arrays marked with Tensor",
        ) from error
    return Json(schema=msgspec.Raw(schema)), annotation


def _import(entry: Path, root: Path) -> ModuleType:
    """Import the file under its own name, with the package importable, as a script would be."""
    for folder in (root, entry.parent):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    name = entry.stem if entry.stem not in sys.modules else f"{entry.stem}_of_the_package"
    spec = importlib.util.spec_from_file_location(name, entry)
    if spec is None or spec.loader is None or not entry.is_file():
        raise LoadFailed(f"the entry file {entry} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_: Loader = load
