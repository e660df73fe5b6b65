"""The page of the package has every key of `shipmark.toml`, and what is left out of a package."""

import re
import typing
from pathlib import Path

import msgspec

from shipmark.package.config import Config
from shipmark.package.config_rules import METRICS
from shipmark.package.detect import RUNTIME_OF_SUFFIX
from shipmark.package.ignore import DEFAULTS, NEVER_SHIPPED
from shipmark.package.requirements_txt import HARMLESS_OPTIONS, INDEX_OPTIONS
from shipmark_serve.contract.golden import Golden
from shipmark_serve.contract.tensor import DATATYPE_OF_DTYPE

PAGE = (Path(__file__).parents[2] / "docs/reference/package.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    _, _, rest = PAGE.partition(f"\n## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


def _rows(title: str) -> list[list[str]]:
    lines = [line for line in _section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def _documented() -> dict[tuple[str, str], str]:
    """(table, key) -> default as the page writes it."""
    found: dict[tuple[str, str], str] = {}
    table = ""
    for row in _rows("`shipmark.toml`"):
        name = row[0].strip("`")
        if name.startswith("["):
            table = name.strip("[]")
        else:
            found[table, name] = row[2]
    return found


def _tables() -> dict[str, type[msgspec.Struct]]:
    return {
        field.name: kind
        for field in msgspec.structs.fields(Config)
        for kind in (field.type, *typing.get_args(field.type))
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    }


def test_every_key_of_shipmark_toml_and_no_other() -> None:
    known = {
        (table, field.name)
        for table, record in _tables().items()
        for field in msgspec.structs.fields(record)
    }

    assert set(_documented()) == known | {("env", "any name")}


def test_the_defaults_are_those_of_the_source() -> None:
    documented = _documented()
    for table, record in _tables().items():
        for field in msgspec.structs.fields(record):
            shown = documented[table, field.name]
            if field.required:
                assert shown == "needed"
            elif field.default is None:
                assert shown
                assert not re.match(r"`[0-9\"]", shown), (table, field.name)
            elif field.default == ():
                assert shown == "`[]`"
            else:
                value = msgspec.json.encode(field.default).decode()  # as TOML writes it
                assert shown == f"`{value}`", (table, field.name)


def test_every_key_of_a_golden_record() -> None:
    rows = {row[0].strip("`"): row for row in _rows("Golden records")}

    assert set(rows) == set(Golden.__struct_fields__)
    default = next(f.default for f in msgspec.structs.fields(Golden) if f.name == "tolerance")
    assert rows["tolerance"][2] == f"`{default}`"


def test_everything_that_is_left_out() -> None:
    section = _section("What is left out")

    assert [each for each in (*NEVER_SHIPPED, *DEFAULTS) if f"`{each}`" not in section] == []


def test_every_option_of_a_requirements_file() -> None:
    section = _section("Requirements")
    options = {*INDEX_OPTIONS, *HARMLESS_OPTIONS}

    assert [each for each in options if f"`{each}`" not in section] == []


def test_every_metric() -> None:
    (row,) = (row for row in _rows("`shipmark.toml`") if row[0] == "`metric`")

    assert [metric for metric in METRICS if f"`{metric}`" not in row[3]] == []


def test_every_form_and_datatype() -> None:
    assert all(f"`{suffix}`" in _section("Forms") for suffix in RUNTIME_OF_SUFFIX)
    assert all(f"`{dtype}`" in _section("The contract of `predict`") for dtype in DATATYPE_OF_DTYPE)
