"""`shipmark ps`: what should run, and what does."""

import click

from shipmark.cli.deployments import process_target, status_document, status_table
from shipmark.cli.output import Output, with_output
from shipmark.errors import DeployError


@click.command()
@click.argument("names", nargs=-1)
@with_output
def command(output: Output, *, names: tuple[str, ...]) -> None:
    """List all deployments, or only NAMES.

    For each: version, state, address, restarts, and the digest that is actually serving.
    """
    statuses = process_target().ps()
    if names:
        unknown = set(names) - {status.name for status in statuses}
        if unknown:
            raise DeployError(
                f"there is no deployment {', '.join(sorted(unknown))}", hint="shipmark ps"
            )
        statuses = [status for status in statuses if status.name in names]
    documents = [status_document(status) for status in statuses]
    nothing = "nothing is deployed; start with: shipmark up PATH"
    output.result(documents, status_table(statuses) if statuses else nothing)
