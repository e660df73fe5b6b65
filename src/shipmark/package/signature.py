"""What the entry file defines, read from its text alone: `predict`, `init`, `predict_batch`."""

import ast
import sys
import warnings

from shipmark.package.annotations import (
    Names,
    UnknownAnnotation,
    WrongAnnotation,
    bound_names,
    read_annotation,
)
from shipmark.package.complaints import Complaints
from shipmark.package.paths import show
from shipmark_serve.contract.schema import Schema, Value
from shipmark_serve.contract.signature import INIT, PREDICT

PREDICT_BATCH = "predict_batch"
MAX_ENTRY_BYTES = 4 * 1024 * 1024
HOST_MINOR = sys.version_info.minor

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_signature(data: bytes, path: str, python: str, complaints: Complaints) -> Schema | None:
    """Check the functions of an entry file.

    Args:
        data: The file's bytes.
        path: What messages call it.
        python: Minor version of the image's Python.
        complaints: Where faults go.

    Returns:
        What `predict` takes and gives; None where only running the file can tell.
    """
    module = _parse(data, path, python, complaints)
    if module is None:
        return None
    functions, dynamic = _definitions(module)
    for name, function in functions.items():
        if name not in dynamic and not function.decorator_list:
            _check_function(name, function, path, complaints)
    predict = functions.get(PREDICT)
    if predict is None:
        if PREDICT not in dynamic and "*" not in dynamic:
            complaints.add(path, f"defines no function {PREDICT}", _how_to_define(module))
        return None
    if PREDICT in dynamic or predict.decorator_list:
        return None
    return _schema(predict, Names(module), path, complaints)


def _parse(data: bytes, path: str, python: str, complaints: Complaints) -> ast.Module | None:
    minor = int(python.partition(".")[2])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data, filename=path, feature_version=minor)
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        if minor > HOST_MINOR:
            complaints.note(
                f"{path}{line}",
                f"cannot be read by this host's Python 3.{HOST_MINOR} "
                f"({error.msg}); the image has {python}",
            )
            return None
        complaints.add(f"{path}{line}", f"is not Python {python}: {error.msg}", "correct the line")
    except (ValueError, RecursionError, MemoryError) as error:
        reason = show(str(error)) or "nested too deeply"
        complaints.add(path, f"is not Python: {reason}", "correct the file")
    return None


def _definitions(module: ast.Module) -> tuple[dict[str, _Function], set[str]]:
    """Functions defined plainly at the top, and names that come in another way.

    The name `*` stands for a star import, which may bring anything.
    """
    wanted = (INIT, PREDICT, PREDICT_BATCH)
    functions: dict[str, _Function] = {}
    dynamic: set[str] = set()
    for statement in module.body:
        if isinstance(statement, _Function):
            if statement.name in wanted:
                functions[statement.name] = statement
                dynamic.discard(statement.name)
        else:
            dynamic.update(name for name in bound_names(statement) if name in (*wanted, "*"))
    return functions, dynamic


def _check_function(name: str, function: _Function, path: str, complaints: Complaints) -> None:
    place = f"{path}:{function.lineno}"
    if isinstance(function, ast.AsyncFunctionDef):
        complaints.add(
            place,
            f"{name} is async; a model's functions run in threads of the server",
            f"write def {name}(...), with asyncio.run inside if need be",
        )
        return
    required, keywords = _required(function.args)
    if name == INIT:
        if required or keywords:
            complaints.add(
                place,
                f"{INIT} must take nothing, and requires {', '.join(required + keywords)}",
                "read settings from the environment, weights from os.environ['MODEL_PATH']",
            )
        return
    if len(required) != 1 or keywords:
        given = ", ".join(required + keywords) or "none"
        complaints.add(
            place,
            f"{name} must take exactly one required positional parameter, and takes {given}",
            "give the others defaults, or take one dict or dataclass",
        )


def _required(arguments: ast.arguments) -> tuple[list[str], list[str]]:
    """Names of the required positional and the required keyword-only parameters."""
    positional = [*arguments.posonlyargs, *arguments.args]
    required = positional[: len(positional) - len(arguments.defaults)]
    keywords = [
        argument
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    return [a.arg for a in required], [a.arg for a in keywords]


def _schema(predict: _Function, names: Names, path: str, complaints: Complaints) -> Schema | None:
    arguments = [*predict.args.posonlyargs, *predict.args.args]
    if not arguments:
        return None
    parameter = arguments[0]
    given = _value(parameter.annotation, parameter.arg, names, path, complaints)
    taken = _value(predict.returns, None, names, path, complaints)
    return None if given is None or taken is None else Schema(input=given, output=taken)


def _value(
    annotation: ast.expr | None,
    parameter: str | None,
    names: Names,
    path: str,
    complaints: Complaints,
) -> Value | None:
    try:
        return read_annotation(annotation, names, parameter)
    except (UnknownAnnotation, RecursionError):
        return None
    except WrongAnnotation as error:
        line = f":{annotation.lineno}" if annotation is not None else ""
        which = f"of {parameter!r}" if parameter else "of the return value"
        complaints.add(f"{path}{line}", f"the annotation {which}: {error}", "correct it")
        return None


def _how_to_define(module: ast.Module) -> str:
    for statement in module.body:
        if isinstance(statement, ast.ClassDef) and any(
            isinstance(inner, _Function) and inner.name == PREDICT for inner in statement.body
        ):
            return (
                f"the class {statement.name} has one: make an object of it in {INIT}(), and call "
                f"it from a function def {PREDICT}(text: str) -> str at the top level"
            )
    return f"add def {PREDICT}(text: str) -> str"
