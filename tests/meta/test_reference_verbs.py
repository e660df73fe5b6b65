"""The page of each verb holds: its example parses, its arguments and documents are explained."""

import ast
import importlib
import inspect
import shlex
from collections.abc import Iterator

import click
import msgspec
import pytest

from docs.verbs import VERBS as NOTES
from shipmark.builders.layers import BuiltLayer, BuiltPart
from shipmark.cli.main import VERBS
from shipmark.deploy.status import LimitStatus, Status
from shipmark.doctor.finding import Finding
from shipmark.errors import Complaint
from shipmark.measure.report import Durations, Moment, Report
from shipmark_serve.contract.profile import Profile, Spent

TOGETHER = ("&&", "|", ";", "<", ">")


def command_of(verb: str) -> click.Command:
    command: click.Command = importlib.import_module(f"shipmark.cli.{verb}").command
    return command


def test_every_verb_has_notes_and_nothing_else_has() -> None:
    assert list(NOTES) == list(VERBS), "docs/verbs.py must list the verbs in the same order"


@pytest.mark.parametrize("verb", NOTES)
def test_the_example_parses(verb: str) -> None:
    lines = NOTES[verb].example.splitlines()
    calls = [line for line in lines if line.startswith("shipmark ")]
    assert any(line.startswith(f"shipmark {verb}") for line in calls)

    for line in calls:
        words = shlex.split(line)
        end = next((at for at, word in enumerate(words) if word in TOGETHER), len(words))
        _, called, *arguments = words[:end]
        command_of(called).make_context(called, arguments)


@pytest.mark.parametrize("verb", NOTES)
def test_every_argument_is_explained(verb: str) -> None:
    parameters = command_of(verb).params
    names = {each.human_readable_name for each in parameters if isinstance(each, click.Argument)}

    assert set(NOTES[verb].arguments) == names


@pytest.mark.parametrize("verb", NOTES)
def test_every_key_of_the_document_is_explained(verb: str) -> None:
    keys, texts = set(NOTES[verb].json), "\n".join(NOTES[verb].json.values())
    source = inspect.getsource(importlib.import_module(f"shipmark.cli.{verb}"))

    printed = set(_printed_keys(ast.parse(source)))
    if "status_document" in source:
        printed |= {"state" if key == "observed" else key for key in Status.__struct_fields__}
        assert all(f"`{key}`" in texts for key in LimitStatus.__struct_fields__)
    if "shipmark.measure" in source:
        printed |= set(Report.__struct_fields__)
        assert all(f"`{key}`" in texts for key in Durations.__struct_fields__)
        assert all(f"`{key}`" in texts for key in Moment.__struct_fields__)
    if "contract.profile" in source:
        printed |= set(Profile.__struct_fields__)
        assert all(f"`{key}`" in texts for key in Spent.__struct_fields__)
    if "BuiltLayer" in source:
        assert all(f"`{key}`" in texts for key in BuiltLayer.__struct_fields__ if key != "parts")
        assert all(f"`{key}`" in texts for key in BuiltPart.__struct_fields__)
    if '"complaints"' in source:
        assert all(f"`{key}`" in texts for key in Complaint.__dataclass_fields__)

    if "import Finding" in source:
        printed |= set(Finding.__struct_fields__)

    assert keys == printed


def _printed_keys(tree: ast.Module) -> Iterator[str]:
    """Keys of the objects that are printed: given to `result` or `encode`, or made by `_document`.

    An object may stand where it is printed, or have the name `document` before.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id="document")], value=value):
                yield from _keys(value)
            case ast.AnnAssign(target=ast.Name(id="document"), value=ast.expr() as value):
                yield from _keys(value)
            case ast.Call(func=ast.Attribute(attr="result" | "encode"), args=[value, *_]):
                yield from _keys(value)
            case ast.FunctionDef(name="_document", body=body):
                for inner in body:
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        yield from _keys(inner.value)
            case _:
                pass


def _keys(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Dict(keys=keys):
            yield from (str(key.value) for key in keys if isinstance(key, ast.Constant))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _keys(left)
            yield from _keys(right)
        case ast.ListComp(elt=each):
            yield from _keys(each)
        case _:
            pass


def test_states_are_those_of_a_status() -> None:
    annotation = msgspec.inspect.type_info(Status)
    assert isinstance(annotation, msgspec.inspect.StructType)
    (observed,) = (each.type for each in annotation.fields if each.name == "observed")
    assert isinstance(observed, msgspec.inspect.LiteralType)

    assert all(f"`{state}`" in NOTES["ps"].json["state"] for state in observed.values)
