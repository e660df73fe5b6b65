"""Plug-ins by family and name: a built-in table first, then entry points `shipmark.<family>`."""

from importlib import import_module
from typing import Any

from shipmark_serve.contract.errors import MissingExtra, ShipmarkError

BUILT_IN: dict[str, dict[str, str]] = {
    "runtime": {
        "python": "shipmark_serve.runtimes.python:load",
        "onnx": "shipmark_serve.runtimes.onnx:load",
        "sklearn": "shipmark_serve.runtimes.sklearn:load",
    },
}
"""Family -> name -> `module:attribute`."""

DISTRIBUTIONS = {"sklearn": "scikit-learn"}
"""Names to install, where they differ from the names to import."""


def names(family: str) -> list[str]:
    """Every known name of the family, sorted."""
    return sorted({*BUILT_IN.get(family, {}), *_entry_points(family)})


def load(family: str, name: str) -> Any:
    """Import a plug-in.

    Raises:
        ShipmarkError: The name is not known; the hint lists those that are.
        MissingExtra: A library that the plug-in imports is not installed.
    """
    target = BUILT_IN.get(family, {}).get(name) or _entry_points(family).get(name)
    if target is None:
        raise ShipmarkError(
            f"there is no {family} called {name!r}",
            hint=f"known ones: {', '.join(names(family)) or 'none'}",
        )
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", module.partition(".")[0]):
            raise
        distribution = DISTRIBUTIONS.get(library, library)
        raise MissingExtra(
            f"the {family} {name} needs {distribution}, which is not installed",
            hint=f"add {distribution} to the requirements, or: pip install {distribution}",
        ) from error


def _entry_points(family: str) -> dict[str, str]:
    from importlib import metadata  # noqa: PLC0415 - 13 ms that a built-in name need not wait

    return {point.name: point.value for point in metadata.entry_points(group=f"shipmark.{family}")}
