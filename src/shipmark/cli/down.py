"""`shipmark down`: stop a deployment and remove it."""

import click

from shipmark.cli import boot
from shipmark.cli.deployments import process_target
from shipmark.cli.output import Output, with_output


@click.command()
@click.argument("name")
@with_output
def command(output: Output, *, name: str) -> None:
    """Stop deployment NAME and remove all there is of it.

    Its log and its unit of `up --boot` included. Its image stays.
    """
    process_target().down(name)
    boot.disable(name)
    output.result({"name": name, "removed": True}, f"{name} is down")
