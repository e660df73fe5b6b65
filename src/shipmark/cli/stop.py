"""`shipmark stop`: stop a deployment and keep it."""

import click

from shipmark.cli.deployments import process_target, status_document
from shipmark.cli.output import Output, with_output


@click.command()
@click.argument("name")
@with_output
def command(output: Output, *, name: str) -> None:
    """Stop deployment NAME and keep it for `shipmark start`.

    It gets SIGTERM, finishes the requests it has, and is killed after 10 seconds.
    """
    status = process_target().stop(name)
    output.result(status_document(status), f"{name} is {status.observed}")
