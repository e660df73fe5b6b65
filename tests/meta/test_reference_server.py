"""The pages of the server and of the image say what the source does."""

import ast
import inspect
import typing
from pathlib import Path
from typing import Any, cast

import msgspec

from shipmark.builders import base, image, layers
from shipmark_serve import app, health, problems, server, watchdog
from shipmark_serve.contract.model import IMAGE_DESCRIPTION, IMAGE_ROOT, Model, ServeSettings
from shipmark_serve.contract.schema import Schema, Text
from shipmark_serve.endpoints.endpoints import endpoints_of
from shipmark_serve.loading import _SHOWN_FAILURES
from shipmark_serve.predictor import Interface
from shipmark_serve.settings import ServerSettings

REFERENCE = Path(__file__).parents[2] / "docs/reference"
SERVER = (REFERENCE / "server.md").read_text(encoding="utf-8")
IMAGE = (REFERENCE / "image.md").read_text(encoding="utf-8")


def _rows(page: str) -> list[list[str]]:
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_route_with_its_methods() -> None:
    model = Model(name="NAME", version="VERSION", code_digest="", runtime="python")
    unused = cast("Any", None)
    served = app.App(model, health.Health("NAME", "VERSION"), unused, unused, "open")
    endpoints = endpoints_of(model, Interface(schema=Schema(input=Text(), output=Text())))
    served.serve(endpoints.by_path, endpoints.metadata)
    routes = {path: ", ".join(route.methods) for path, route in served._routes.items()}
    documented = {row[0].strip("`"): row[1] for row in _rows(SERVER) if row[0].startswith("`/")}

    assert documented == routes


def test_every_error_with_its_status_and_code() -> None:
    documented = {(row[0], row[1].strip("`")) for row in _rows(SERVER) if row[0].isdecimal()}

    for kind, status in problems.STATUS.items():
        assert (str(status.value), kind.code) in documented, kind
    for code in _codes_without_a_class():
        assert code in {code for _, code in documented}


def _codes_without_a_class() -> list[str]:
    tree = ast.parse(inspect.getsource(app))
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    return [
        str(keyword.value.value)
        for keyword in keywords
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    ]


def test_every_key_of_a_problem_and_of_a_report() -> None:
    for key in (*problems.Problem.__struct_fields__, *health.Report.__struct_fields__):
        assert f"`{key}`" in SERVER, key
    assert all(f"`{state}`" in SERVER for state in typing.get_args(health.State))


def test_every_setting_with_its_default() -> None:
    documented = {row[0].strip("`"): row[1].strip("`") for row in _rows(SERVER) if len(row) == 3}

    for record in (ServerSettings, ServeSettings):
        for field in msgspec.structs.fields(record):
            variable = "PORT" if field.name == "port" else f"SHIPMARK_{field.name.upper()}"
            assert variable in documented
            default = f"{field.default:g}" if isinstance(field.default, float) else field.default
            if default is None:
                assert documented[variable] in {"none", "by the runtime", "chosen by the server"}
            else:
                shown = str(default).lower() if isinstance(default, bool) else str(default)
                assert documented[variable] == shown, variable


def test_numbers_in_the_text_are_those_of_the_source() -> None:
    restarts = f"more than {watchdog.MAX_RESTARTS} restarts within {watchdog.RESTART_WINDOW_S:g} s"
    assert restarts in SERVER
    assert server._BEATS == 10
    assert "ten times in that span" in SERVER
    assert f"up to {_SHOWN_FAILURES} failed records" in SERVER
    for number in server._STOPPING:
        assert number.name in SERVER


def test_what_is_in_an_image() -> None:
    for variable, value in image._ENVIRONMENT.items():
        assert f"| `{variable}` | `{value}`" in IMAGE, variable
    assert f"| {image.PORT} |" in IMAGE
    assert f"`{base.USER_ID}:{base.USER_ID}`" in IMAGE
    assert f"`{image.MATERIALS}`" in IMAGE
    assert f"`{IMAGE_ROOT}`" in IMAGE
    assert f"`{IMAGE_DESCRIPTION}`" in IMAGE


def test_every_label() -> None:
    tree = ast.parse(inspect.getsource(image))
    texts = [str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    labels = [text for text in texts if text.startswith(("dev.shipmark.", "org.opencontainers."))]

    assert labels
    assert [label for label in labels if f"`{label}`" not in IMAGE] == []


def test_every_layer_of_a_plan() -> None:
    source = (Path(inspect.getfile(layers)).with_name("plan.py")).read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    titles = [
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"_plan", "_wheels"}
        and isinstance(call.args[0], ast.Constant)
    ]

    assert titles
    assert [title for title in titles if f"`{title}`" not in IMAGE] == []
