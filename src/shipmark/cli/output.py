"""What a verb shows: progress on standard error, its result on standard output.

A terminal gets bars, a log plain lines, a machine (`--json`) one JSON document and nothing else.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TypeVar

import click
import msgspec

from shipmark.cli.amounts import Counter, amount_text
from shipmark.progress import Progress, Silent, Task

R = TypeVar("R")


class Output:
    """Where a verb's progress and result go."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.progress = _watcher(as_json=as_json)

    def result(self, document: object, text: str) -> None:
        """Print the result: `document` for a machine, `text` for a person."""
        if self.as_json:
            encoded = msgspec.json.encode(document)
            click.echo(msgspec.json.format(encoded, indent=2).decode())
        elif text:
            click.echo(text)


def with_output(verb: Callable[..., R]) -> Callable[..., R]:
    """Give a verb `--json`, and an `Output` as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document, no progress.")
    @wraps(verb)
    def wrapped(*args: object, as_json: bool, **options: object) -> R:
        return verb(Output(as_json=as_json), *args, **options)

    return wrapped


class Lines:
    """Plain lines, one when a task ends, for logs."""

    def step(self, text: str) -> None:
        """Print the step."""
        click.echo(f"==> {text}", err=True)

    def note(self, text: str) -> None:
        """Print the note."""
        click.echo(f"    note: {text}", err=True)

    @contextmanager
    def task(self, label: str, *, total: int | None, unit: str) -> Iterator[Task]:
        """Print the task with its amount and duration when it has ended."""
        del total
        counter = Counter()
        begin = time.monotonic()
        yield counter
        amount = amount_text(counter.done, unit)
        click.echo(f"    {label}: {amount}, {time.monotonic() - begin:.1f} s", err=True)


def _watcher(*, as_json: bool) -> Progress:
    if as_json:
        return Silent()
    if not sys.stderr.isatty():
        return Lines()
    from shipmark.cli.bars import Bars  # noqa: PLC0415  # Rich costs 0.1 s; only where it is drawn

    return Bars()
