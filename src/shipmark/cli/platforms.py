"""Platforms in OCI's words: this host's, and those named by `--platform`."""

import os
from collections.abc import Callable
from typing import TypeVar

import click

R = TypeVar("R")

KNOWN = ("linux/amd64", "linux/arm64")
"""What images can be made for."""


def host_platform() -> str:
    """The platform of images that run here, such as `linux/amd64`.

    On another system than Linux it is that of a Linux of the same architecture.
    """
    machine = os.uname().machine.lower()
    return "linux/arm64" if machine in {"aarch64", "arm64"} else "linux/amd64"


def platform_option(
    meaning: str, *, default: str
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a verb `--platform`; its argument `platforms` is a tuple, empty where none was named."""
    return click.option(
        "--platform",
        "platforms",
        multiple=True,
        metavar="OS/ARCH",
        callback=_platforms,
        help=f"{meaning}, {' or '.join(KNOWN)}; may be repeated, or name several with commas. "
        f"Default: {default}.",
    )


def _platforms(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    named = [name.strip() for value in values for name in value.split(",")]
    for name in named:
        if name not in KNOWN:
            raise click.BadParameter(
                f"images cannot be made for {name!r}, only for {' and '.join(KNOWN)}",
                context,
                option,
            )
    return tuple(dict.fromkeys(named))
