"""`shipmark logs`: what a deployment has written."""

import click
import msgspec

from shipmark.cli.deployments import process_target
from shipmark.cli.output import Output, with_output


@click.command()
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Go on printing until it no longer runs.")
@click.option(
    "--tail",
    "-n",
    "lines",
    type=click.IntRange(min=0),
    metavar="LINES",
    help="Begin with the last LINES. Default: all that is kept.",
)
@with_output
def command(output: Output, *, name: str, follow: bool, lines: int | None) -> None:
    """Print what deployment NAME has written to standard output and standard error.

    With --json each line is a JSON document of its own.
    """
    for line in process_target().logs(name, follow=follow, lines=lines):
        shown = msgspec.json.encode({"line": line}).decode() if output.as_json else line
        click.echo(shown)
