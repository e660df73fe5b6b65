"""Annotations of `predict` read from the source text, where that is enough to know them.

Only names that are surely what they seem are followed: builtins, `typing`, imported numpy and
Shipmark's `Tensor`, and plain assignments of these. Everything else is left to the server.
"""

import ast
import builtins
from collections.abc import Iterator, Mapping
from types import GenericAlias
from typing import Any, Union

import msgspec

from shipmark_serve.contract.schema import Binary, Json, Text, Value
from shipmark_serve.contract.signature import input_tensor, output_tensor
from shipmark_serve.contract.tensor import Tensor

MAX_DEPTH = 20
MAX_STEPS = 1000
"""Names looked up for one module; aliases of aliases could otherwise double for ever."""

_PLAIN = {"str": str, "bytes": bytes, "int": int, "float": float, "bool": bool, "list": list,
          "dict": dict, "None": type(None), "typing.Any": Any, "typing.List": list,
          "typing.Dict": dict}  # fmt: skip
_ARRAYS = ("numpy.ndarray", "numpy.typing.NDArray")
_MARKERS = ("shipmark_serve.Tensor", "shipmark_serve.contract.tensor.Tensor")
_ANNOTATED = ("typing.Annotated", "typing_extensions.Annotated")


class UnknownAnnotation(Exception):
    """Only running the code tells what the annotation is."""


class WrongAnnotation(Exception):
    """The annotation can never work; the message says why."""


class Names:
    """What the names of one module stand for, as far as its text alone tells."""

    def __init__(self, module: ast.Module) -> None:
        self._imported: dict[str, str] = {}
        self._assigned: dict[str, ast.expr | None] = {}
        self._steps = MAX_STEPS
        for statement in module.body:
            self._bind(statement)

    def _bind(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    self._import(bound, alias.name if alias.asname else bound)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for alias in names:
                    self._import(alias.asname or alias.name, f"{module}.{alias.name}")
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assigned[name] = None if name in self._assigned else value
            case _:
                for name in bound_names(statement):
                    self._assigned[name] = None

    def _import(self, bound: str, full: str) -> None:
        if self._imported.setdefault(bound, full) != full:
            self._assigned[bound] = None

    def alias(self, name: str) -> ast.expr | None:
        """The expression that the name is assigned once, if there is one."""
        return self._assigned.get(name)

    def full(self, node: ast.expr) -> str:
        """The dotted name of what `node` stands for: `numpy.ndarray`.

        Raises:
            UnknownAnnotation: It is no dotted name, or its name is bound in more than one way.
        """
        self._steps -= 1
        if self._steps < 0:
            raise UnknownAnnotation("more steps than any real annotation has")
        match node:
            case ast.Constant(value=None):
                return "None"
            case ast.Attribute(value=value, attr=attribute):
                return f"{self.full(value)}.{attribute}"
            case ast.Name(id=name) if name in self._assigned:
                raise UnknownAnnotation(name)
            case ast.Name(id=name) if name in self._imported:
                return self._imported[name]
            case ast.Name(id=name) if hasattr(builtins, name):
                return name
            case _:
                raise UnknownAnnotation(type(node).__name__)


def bound_names(statement: ast.stmt) -> Iterator[str]:
    """Every name that the statement may bind in its own scope, in whatever branch."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name
            case _:
                waiting.extend(ast.iter_child_nodes(node))


def read_annotation(node: ast.expr | None, names: Names, parameter: str | None) -> Value:
    """The schema that an annotation stands for; none stands for text.

    Args:
        node: The annotation.
        names: Of its module.
        parameter: The parameter it belongs to, None for the return value.

    Raises:
        UnknownAnnotation: It cannot be told without running the code.
        WrongAnnotation: It can be told, and is wrong.
    """
    if node is None:
        return Text()
    node = _resolved(node, names)
    if isinstance(node, ast.Subscript) and names.full(node.value) in _ANNOTATED:
        inner, *marks = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        tensors = [t for mark in marks if (t := _tensor(_resolved(mark, names), names)) is not None]
        if tensors:
            return input_tensor(parameter, tensors[0]) if parameter else output_tensor(tensors[0])
        if _is_array(_resolved(inner, names), names):
            raise _array_without_tensor()
        raise UnknownAnnotation("Annotated")
    if _is_array(node, names):
        raise _array_without_tensor()
    kind = _type(node, names, MAX_DEPTH)
    if kind is str:
        return Text()
    if kind is bytes:
        return Binary()
    try:
        schema = msgspec.json.schema(kind)
    except TypeError as error:
        raise WrongAnnotation(str(error).splitlines()[0]) from error
    return Json(schema=msgspec.Raw(msgspec.json.encode(schema)))


def _resolved(node: ast.expr, names: Names) -> ast.expr:
    for _ in range(MAX_DEPTH):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            try:
                node = ast.parse(text, mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                raise WrongAnnotation(f"{text[:60]!r} is no annotation") from error
        elif isinstance(node, ast.Name) and (alias := names.alias(node.id)) is not None:
            node = alias
        else:
            return node
    raise UnknownAnnotation("aliases of aliases")


def _type(node: ast.expr, names: Names, depth: int) -> Any:
    """Build the type from parts that have no code behind them."""
    if depth == 0:
        raise UnknownAnnotation("nested too deeply")
    node = _resolved(node, names)
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union((_type(left, names, depth - 1), _type(right, names, depth - 1)))
        case ast.Subscript(value=value, slice=inner):
            return _generic(names.full(value), inner, names, depth)
        case _:
            full = names.full(node)
            if full not in _PLAIN:
                raise UnknownAnnotation(full)
            return _PLAIN[full]


def _generic(base: str, inner: ast.expr, names: Names, depth: int) -> Any:
    items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    parts = [_type(item, names, depth - 1) for item in items]
    match base, parts:
        case ("list" | "typing.List", [_]):
            return GenericAlias(list, tuple(parts))
        case ("dict" | "typing.Dict", [key, _]) if key is str:
            return GenericAlias(dict, tuple(parts))
        case ("typing.Optional", [item]):
            return _union((item, type(None)))
        case ("typing.Union", [_, *_]):
            return _union(tuple(parts))
        case _:
            raise UnknownAnnotation(base)


def _union(choices: tuple[Any, ...]) -> Any:
    return Union[choices]  # noqa: UP007 - made from parts


def _tensor(node: ast.expr, names: Names) -> Tensor | None:
    if not isinstance(node, ast.Call) or names.full(node.func) not in _MARKERS:
        return None
    given: dict[str | None, ast.expr] = dict(zip(("dtype", "shape"), node.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in node.keywords}
    try:
        arguments: Mapping[str, Any] = {str(k): ast.literal_eval(v) for k, v in given.items()}
    except (ValueError, TypeError, RecursionError) as error:
        raise UnknownAnnotation("Tensor of computed arguments") from error
    try:
        tensor = Tensor(**arguments)
    except (TypeError, ValueError) as error:
        raise WrongAnnotation(f"Tensor(...): {error}") from error
    return tensor


def _is_array(node: ast.expr, names: Names) -> bool:
    base = node.value if isinstance(node, ast.Subscript) else node
    return isinstance(base, ast.Name | ast.Attribute) and names.full(base) in _ARRAYS


def _array_without_tensor() -> WrongAnnotation:
    return WrongAnnotation(
        "an array needs its datatype and shape: "
        'Annotated[numpy.ndarray, Tensor("float32", (-1, 4))]'
    )
