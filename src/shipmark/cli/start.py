"""`shipmark start`: start what was stopped, or what should run and does not."""

from concurrent.futures import ThreadPoolExecutor

import click

from shipmark.cli.deployments import process_target, status_document
from shipmark.cli.output import Output, with_output
from shipmark.deploy.status import Status
from shipmark.errors import DeployError, ShipmarkError
from shipmark.progress import Progress

_AT_ONCE = 4


@click.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All that should run and does not.")
@click.option(
    "--foreground",
    is_flag=True,
    help="Be its supervisor, for a service manager; what was stopped is left so.",
)
@with_output
def command(output: Output, *, name: str | None, everything: bool, foreground: bool) -> None:
    """Start deployment NAME again, on the port it had, and wait until it is ready.

    With --all: everything that was not stopped by `shipmark stop` and does not run, as after the
    host was restarted.
    """
    if everything == (name is not None):
        raise click.UsageError("Give the name of a deployment, or --all.")
    if name is None:
        if foreground:
            raise click.UsageError("--foreground is for one deployment.")
        _start_all(output)
    elif foreground:
        _stay(output, name)
    else:
        status = process_target().start(name, progress=output.progress)
        output.result(status_document(status), _ready(status))


def _start_all(output: Output) -> None:
    target = process_target()
    for name in target.sweep():
        output.progress.note(f"{name} is removed: the `shipmark up` that made it was interrupted")
    wanted = [
        each
        for each in target.ps()
        # A service manager that ends with the host stops what should run.
        if each.desired == "running" and each.observed in {"failed", "stopped"}
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begun = {each.name: pool.submit(_attempt, each.name, output.progress) for each in wanted}
        ended = {name: future.result() for name, future in begun.items()}
    started = [each for each in ended.values() if isinstance(each, Status)]
    failed = {name: each for name, each in ended.items() if isinstance(each, ShipmarkError)}
    if failed:
        lines = [f"{name}: {error.message}" for name, error in failed.items()]
        raise DeployError(
            "\n".join([f"{len(failed)} of {len(ended)} could not be started", *lines]),
            hint="mend what is said, then: shipmark start NAME",
        )
    text = "\n".join(map(_ready, started)) or "everything that should run does"
    output.result([status_document(each) for each in started], text)


def _attempt(name: str, progress: Progress) -> Status | ShipmarkError:
    try:
        return process_target().start(name, progress=progress)
    except ShipmarkError as error:
        return error


def _stay(output: Output, name: str) -> None:
    status = process_target().observe(name)
    if status is not None and status.desired == "stopped":
        output.result(status_document(status), f"{name} was stopped, and is left so")
        return
    process_target().supervise(name, progress=output.progress)


def _ready(status: Status) -> str:
    return f"{status.name} {status.version} is ready on {status.address}"
