"""`shipmark start`: start a stopped deployment."""

import click

from shipmark.cli.deployments import process_target, status_document
from shipmark.cli.output import Output, with_output


@click.command()
@click.argument("name")
@with_output
def command(output: Output, *, name: str) -> None:
    """Start deployment NAME again, on the port it had, and wait until it is ready."""
    status = process_target().start(name, progress=output.progress)
    output.result(status_document(status), f"{name} {status.version} is ready on {status.address}")
