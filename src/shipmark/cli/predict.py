"""`shipmark predict`: ask a model for a prediction."""

import base64
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from shipmark.cli.addresses import url_of
from shipmark.cli.output import Output, with_output
from shipmark.client import Answer, Body, Client, body_of, sniffed
from shipmark.errors import ShipmarkError

ACCEPT = "text/plain, */*;q=0.5"
"""A model of text answers in text, whatever form the input had."""


@click.command()
@click.argument("where", metavar="URL|NAME")
@click.argument("given", metavar="[INPUT]", required=False)
@click.option(
    "--content-type",
    metavar="TYPE",
    help="The media type of INPUT. Default: application/json for a .json file and for JSON other "
    "than a string, else text/plain, or for other bytes what the file's name says.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.01),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long it may take, retries included.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="How often to ask again where nothing listens yet, or the server is busy and says so.",
)
@with_output
def command(
    output: Output,
    *,
    where: str,
    given: str | None,
    content_type: str | None,
    timeout_s: float,
    retries: int,
) -> None:
    """Ask the model at URL, or of the deployment NAME, and print its answer.

    INPUT is text or JSON; @FILE stands for the content of a file, and - for standard input, which
    is also read where INPUT is left out. The answer is printed as it came; with --json it stands
    beside the seconds it took and the request id that the server's log has.
    """
    body = _body(given, content_type)
    with Client(url_of(where), timeout_s=timeout_s, retries=retries) as client:
        answer = client.predict(body.data, media_type=body.media_type, accept=ACCEPT)
    if output.as_json:
        output.result(_document(answer), "")
    else:
        _print(answer)


def _body(given: str | None, content_type: str | None) -> Body:
    if given is not None and given.startswith("@"):
        return body_of(Path(given[1:]), content_type)
    if given is None and sys.stdin.isatty():
        raise click.UsageError("Give INPUT: text, JSON, @FILE, or - for standard input.")
    data = sys.stdin.buffer.read() if given in (None, "-") else str(given).encode(*_AS_GIVEN)
    return body_of(data, content_type or sniffed(data))


_AS_GIVEN = ("utf-8", "surrogateescape")
"""An argument that is not UTF-8 is sent as the bytes it is."""


def _document(answer: Answer) -> dict[str, object]:
    value: Any = answer.value
    if isinstance(value, bytes):
        value = {"base64": base64.b64encode(value).decode()}
    elif not isinstance(value, str):
        value = msgspec.Raw(answer.body)  # as it was written: no digit of a number changes
    return {"answer": value, "seconds": answer.duration_s, "request_id": answer.request_id}


def _print(answer: Answer) -> None:
    """Write the answer, with nothing in it that could steer a terminal."""
    if not sys.stdout.isatty():
        end = b"" if isinstance(answer.value, bytes) else b"\n"
        sys.stdout.buffer.write(answer.body + end)
        sys.stdout.buffer.flush()
        return
    if isinstance(answer.value, bytes):
        raise ShipmarkError(
            f"the answer is {len(answer.body)} bytes of {answer.media_type}",
            hint="send it to a file: > FILE",
        )
    text = answer.body.decode("utf-8", "replace")
    click.echo(
        "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    )
