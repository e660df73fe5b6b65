"""`shipmark new`: make a package that works, to start from."""

from pathlib import Path

import click

from shipmark.cli.output import Output, with_output
from shipmark.package.templates import TEMPLATES, new


@click.command()
@click.argument("name")
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    default=next(iter(TEMPLATES)),
    show_default=True,
    help="What the package takes and gives.",
)
@with_output
def command(output: Output, *, name: str, template: str) -> None:
    """Make the directory NAME with a package that works as it is.

    text is a string in and a string out, json a dataclass in and out, tensor an array in and out.
    """
    created = new(name, template, Path.cwd() / name)
    document = {"name": name, "template": template, "files": [str(path) for path in created]}
    listed = "\n".join(f"  {path}" for path in created)
    output.result(document, f"{listed}\nnext: shipmark up {name}")
