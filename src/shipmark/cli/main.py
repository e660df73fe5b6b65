"""The command `shipmark`: a table of verbs, and what becomes of their errors."""

import difflib
import importlib
import sys

import click

from shipmark import __version__

VERBS: dict[str, str] = {
    "new": "Make a package that works, to start from.",
    "check": "Tell everything that is wrong with a package.",
    "lock": "Write down everything that determines an image's bytes.",
    "build": "Build the image of a package, without a container daemon.",
    "serve": "Run a package from its source directory, for development.",
    "up": "Start a package or image in a sandbox, and wait until it is ready.",
    "profile": "Print where an ONNX model spends its time, by operator.",
    "predict": "Ask a model for a prediction.",
    "bench": "Put a model under load, and tell how long its callers wait.",
    "ps": "List deployments: what should run, and what does.",
    "logs": "Print what a deployment has written.",
    "stop": "Stop a deployment and keep it.",
    "start": "Start what was stopped, or what should run and does not.",
    "down": "Stop a deployment and remove it.",
    "images": "List the images in the local store, and how large they are.",
    "rmi": "Remove images from the local store.",
    "gc": "Free the room of what no image and no deployment needs.",
    "doctor": "Name what is wrong on this host, and what mends it.",
}
"""Every verb with its line in `--help`; its module is `shipmark.cli.<verb>`."""


class Verbs(click.Group):
    """Loads a verb's module only when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of the flow."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and take its `command`."""
        del ctx
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"shipmark.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one was probably meant."""
        name = args[0]
        if name not in VERBS and not name.startswith("-"):
            close = difflib.get_close_matches(name, VERBS, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"There is no verb {name!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of verbs without importing any."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Verbs,
    help="Turn a trained model into a container that can be proved, and serve it.",
    epilog="Start with: shipmark new hello && shipmark up hello",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="shipmark")
def verbs() -> None:
    """The group itself does nothing."""


def main() -> None:
    """Run the command line, and turn every error into a message and an exit code."""
    from shipmark.cli.failure import exit_code_of, report  # noqa: PLC0415  # --help stays quick

    try:
        status = verbs.main(standalone_mode=False, prog_name="shipmark")
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; nothing half-made was left", err=True)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  # the border: every error ends as a message
        report(error, as_json="--json" in sys.argv)
        sys.exit(exit_code_of(error))
    sys.exit(status if isinstance(status, int) else 0)
