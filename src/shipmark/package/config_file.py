"""Reading `shipmark.toml`: every fault of the file in one pass, with its line."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

import msgspec

from shipmark.package.complaints import Complaints, did_you_mean, refusal
from shipmark.package.config import Config
from shipmark.package.config_rules import (
    CONFIG_FILE,
    PYTHON_OF_SUITE,
    RULES,
    env_fault,
    looks_secret,
)
from shipmark.package.paths import show
from shipmark.package.toml_lines import lines_of_keys
from shipmark_serve.contract.records import Record

MAX_CONFIG_BYTES = 1024 * 1024

_KINDS: dict[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    tuple: "a list",
    dict: "a table",
}
_BOUNDS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What the file says, and in which line."""

    config: Config = field(default_factory=Config)
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    exists: bool = False

    def place(self, *path: str) -> str:
        """What a complaint calls a key: `shipmark.toml:3 [serve] workers`."""
        line = self.lines.get(path) or self.lines.get(path[:1])
        table, *keys = path
        number = f":{line}" if line else ""
        key = " ".join((f"[{show(table)}]", *map(show, keys)))
        return f"{CONFIG_FILE}{number} {key}"


def read_config(data: bytes | None, complaints: Complaints) -> ConfigFile:
    """Read the bytes of `shipmark.toml`; None where there is no such file.

    A value that is wrong stays at its default in the answer, so that the rest can be checked too.

    Raises:
        PackageError: It is not TOML at all.
    """
    try:
        text = (data or b"").decode("utf-8-sig")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise refusal(
            CONFIG_FILE, f"is not UTF-8 (at byte {error.start})", "save it as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise refusal(*_syntax(str(error))) from error
    except RecursionError as error:
        raise refusal(CONFIG_FILE, "is nested too deeply", "write it flat") from error
    file = ConfigFile(lines=lines_of_keys(text.replace("\r\n", "\n")))
    tables = {field.name: field.type for field in msgspec.structs.fields(Config)}
    values: dict[str, Any] = {}
    for name, content in document.items():
        if name not in tables:
            complaints.add(file.place(name), *_unknown_table(name, content, tables))
        elif not isinstance(content, dict):
            mend = f"write it as a table: [{name}]"
            complaints.add(file.place(name), f"is {_kind_of(content)}, not a table", mend)
        elif name == "env":
            values[name] = _env(content, file, complaints)
        else:
            table = _table(name, tables[name], content, file, complaints)
            if table is not None:
                values[name] = table
    config = _with_python_and_suite(Config(**values), document, file, complaints)
    return ConfigFile(config=config, lines=file.lines, exists=data is not None)


def _table(
    name: str, kind: Any, content: dict[str, Any], file: ConfigFile, complaints: Complaints
) -> Record | None:
    record = kind if isinstance(kind, type) else next(t for t in get_args(kind) if t is not None)
    fields = {field.name: field for field in msgspec.structs.fields(record)}
    values: dict[str, Any] = {}
    for key, value in content.items():
        place = file.place(name, key)
        if key not in fields:
            complaints.add(place, "is no key of this table", did_you_mean(key, fields))
            continue
        try:
            converted = msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            complaints.add(place, *_conversion_fault(key, value, fields[key].type, str(error)))
            continue
        if isinstance(converted, float) and not math.isfinite(converted):
            complaints.add(place, f"is {converted}", "give a number")
            continue
        rule = RULES.get((name, key))
        fault = rule(converted) if rule is not None else None
        if fault is not None:
            complaints.add(place, *fault)
        else:
            values[key] = converted
    missing = [key for key, each in fields.items() if each.required and key not in content]
    for key in missing:
        complaints.add(file.place(name), f"lacks {key}", f"add {key} = ... under [{name}]")
    required = {key for key, each in fields.items() if each.required}
    if not required <= values.keys():
        return None
    made: Record = record(**values)
    return made


def _env(content: dict[str, Any], file: ConfigFile, complaints: Complaints) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in content.items():
        place = file.place("env", name)
        if not isinstance(value, str):
            complaints.add(place, *_conversion_fault(name, value, str, ""))
        elif (fault := env_fault(name, value)) is not None:
            complaints.add(place, *fault)
        else:
            values[name] = value
            if looks_secret(name):
                complaints.note(
                    place,
                    "looks like a secret, and stands in the image for everyone to read",
                    "leave it out and give it at start: shipmark up --env",
                )
    return values


def _with_python_and_suite(
    config: Config, document: dict[str, Any], file: ConfigFile, complaints: Complaints
) -> Config:
    """Let the Python version and the suite choose one another where one of them is silent."""
    image, python = config.image, config.python
    suite_said = "suite" in document.get("image", {}) if _is_table(document, "image") else False
    if image.base is not None:
        if suite_said:
            complaints.add(
                file.place("image", "suite"), "has no meaning beside base", "keep one of the two"
            )
        version = python.version or PYTHON_OF_SUITE[image.suite]
    elif python.version is None:
        version = PYTHON_OF_SUITE[image.suite]
    else:
        version = python.version
        suites = {minor: suite for suite, minor in PYTHON_OF_SUITE.items()}
        if not suite_said and version in suites:
            image = msgspec.structs.replace(image, suite=suites[version])
        elif PYTHON_OF_SUITE[image.suite] != version:
            complaints.add(
                file.place("python", "version"),
                f"is {version}, and the Python of Debian {image.suite} is "
                f"{PYTHON_OF_SUITE[image.suite]}",
                "Python 3.11 needs suite bookworm, 3.13 trixie; another needs an [image] base",
            )
    python = msgspec.structs.replace(python, version=version)
    return msgspec.structs.replace(config, image=image, python=python)


def _is_table(document: dict[str, Any], name: str) -> bool:
    return isinstance(document.get(name), dict)


def _unknown_table(name: str, content: object, tables: dict[str, Any]) -> tuple[str, str]:
    if isinstance(content, dict):
        return "is no known table", did_you_mean(name, tables)
    owners = [
        table
        for table, kind in tables.items()
        if isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and name in {field.name for field in msgspec.structs.fields(kind)}
    ]
    if owners:
        return "stands outside of a table", f"move it below [{owners[0]}]"
    return "stands outside of a table", "the tables are " + ", ".join(f"[{t}]" for t in tables)


def _syntax(words: str) -> tuple[str, str, str]:
    where = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)", words)
    line = f":{where[1]}" if where is not None and where[1] else ""
    reason = words if where is None else words[: where.start()]
    return f"{CONFIG_FILE}{line}", f"is not TOML: {reason}", "see https://toml.io"


def _conversion_fault(key: str, value: object, kind: Any, words: str) -> tuple[str, str]:
    """What is wrong with a value that msgspec refused with `words`."""
    bound = re.search(r"(>=?|<=?) (-?[0-9.]+)", words)
    if bound is not None:
        return f"is {_shown(value)}, not {_BOUNDS[bound[1]]} {bound[2]}", "correct the number"
    if isinstance(value, int | float) and not isinstance(value, bool):
        mend = f'if a string is meant, put it in quotes: {key} = "{value}"'
    else:
        mend = "correct its value"
    return f"is {_kind_of(value)} ({_shown(value)}), not {_expected(kind)}", mend


def _kind_of(value: object) -> str:
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _expected(kind: Any) -> str:
    if kind in _KINDS:
        return _KINDS[kind]
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple:
        return "a list of strings"
    if origin is Annotated:
        return _expected(parts[0])
    return " or ".join(_expected(each) for each in parts if each is not type(None))


def _shown(value: object) -> str:
    return show(repr(value))[:60]
