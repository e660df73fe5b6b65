"""How an error leaves the command line: a message, a hint, an exit code."""

import sys
import traceback
from dataclasses import asdict

import click
import msgspec

from shipmark.errors import (
    BuildError,
    DeployError,
    DigestMismatch,
    DownloadFailed,
    LockError,
    LockOutdated,
    MissingExtra,
    PackageError,
    RolloutFailed,
    ServeError,
    ShipmarkError,
    TargetUnavailable,
    Unresolvable,
)

EXIT_CODES: dict[type[Exception], int] = {
    ShipmarkError: 1,
    click.UsageError: 2,
    PackageError: 3,
    LockError: 4,
    Unresolvable: 5,
    LockOutdated: 6,
    DownloadFailed: 7,
    DigestMismatch: 8,
    BuildError: 9,
    DeployError: 10,
    TargetUnavailable: 11,
    RolloutFailed: 12,
    ServeError: 13,
    MissingExtra: 14,
    OSError: 20,
}
"""The nearest class in an error's ancestry decides; 70 is a fault of Shipmark's own."""

INTERNAL = 70


def exit_code_of(error: Exception) -> int:
    """The exit code for an error that reached the command line."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    for ancestor in type(error).__mro__:
        if ancestor in EXIT_CODES:
            return EXIT_CODES[ancestor]
    return 1 if isinstance(error, click.ClickException) else INTERNAL


def report(error: Exception, *, as_json: bool) -> None:
    """Tell a person, or a machine, what went wrong and what to do next."""
    if isinstance(error, click.exceptions.Exit):
        return
    code, message, hint = _parts(error)
    if as_json:
        body: dict[str, object] = {"code": code, "message": message, "hint": hint}
        if isinstance(error, PackageError) and error.complaints:
            body["complaints"] = [asdict(each) for each in error.complaints]
        encoded = msgspec.json.encode({"error": body})
        click.echo(msgspec.json.format(encoded, indent=2).decode())
        return
    if code == "internal":
        traceback.print_exception(error, file=sys.stderr)
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)
    if hint:
        click.secho("  try: ", fg="cyan", nl=False, err=True)
        click.echo(hint, err=True)


def _parts(error: Exception) -> tuple[str, str, str]:
    """The error's code, message and hint."""
    if isinstance(error, ShipmarkError):
        return error.code, error.message, error.hint
    if isinstance(error, click.UsageError):
        verb = error.ctx.command_path if error.ctx else "shipmark"
        return "usage", error.format_message(), f"{verb} --help"
    if isinstance(error, click.ClickException):
        return "usage", error.format_message(), ""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return "system", f"{error.strerror or error}{where}", ""
    return "internal", f"{type(error).__name__}: {error}", "this is a fault in Shipmark; report it"
