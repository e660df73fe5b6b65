"""Packages to start from: each folder here is one that works as it is, but for its name."""

import secrets
import shutil
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from shipmark.errors import PackageError
from shipmark.package.complaints import did_you_mean
from shipmark.package.config_rules import CONFIG_FILE, name_fault

TEMPLATES = {
    "text": "a string in, a string out",
    "json": "a dataclass in, a dataclass out",
    "tensor": "an array in, an array out (numpy)",
}
"""Name -> what such a package takes and gives."""

_NAME = "NAME"


def new(name: str, template: str, into: Path) -> list[Path]:
    """Make a package called `name` in the directory `into`, which may exist if it is empty.

    Returns:
        The files made, sorted.

    Raises:
        PackageError: The name or the template is not one, or `into` is not free.
    """
    if (fault := name_fault(name)) is not None:
        raise PackageError(f"cannot make a package: {fault[0]}", hint=fault[1])
    if template not in TEMPLATES:
        raise PackageError(
            f"there is no template {template!r}", hint=did_you_mean(template, TEMPLATES)
        )
    if into.is_symlink() or (into.exists() and (not into.is_dir() or any(into.iterdir()))):
        raise PackageError(
            f"cannot make a package in {into}: there is something already",
            hint="choose another name, or remove it",
        )
    beside = into.with_name(f".{into.name}.{secrets.token_hex(4)}")
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        _copy(files(__name__) / template, beside, name)
        beside.rename(into)
    except OSError as error:
        raise PackageError(
            f"cannot make a package in {into}: {(error.strerror or str(error)).lower()}",
            hint="choose a directory that can be written to",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return sorted(path for path in into.rglob("*") if path.is_file())


def _copy(source: Traversable, target: Path, name: str) -> None:
    target.mkdir()
    for item in source.iterdir():
        if item.is_dir():
            if item.name != "__pycache__":
                _copy(item, target / item.name, name)
            continue
        text = item.read_text(encoding="utf-8")
        text = text.replace(_NAME, name) if item.name == CONFIG_FILE else text
        (target / item.name).write_text(text, encoding="utf-8")
