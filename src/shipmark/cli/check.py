"""`shipmark check`: everything that is wrong with a package."""

import secrets
from dataclasses import asdict

import click

from shipmark.cli.flow import Yard, build_image, lock_package, opened, yard
from shipmark.cli.output import Output, with_output
from shipmark.cli.platforms import host_platform
from shipmark.deploy.deployment import Deployment
from shipmark.errors import PackageError
from shipmark.oci.graph import pick, read_index
from shipmark.package import Package
from shipmark.targets.process.target import ProcessTarget
from shipmark.verify.validation import Validation, examine, validate


@click.command()
@click.argument("path", default=".")
@click.option("--static", is_flag=True, help="Only read the package; build and start nothing.")
@click.option("--name", help="The model's name, for a zip on standard input.")
@with_output
def command(output: Output, *, path: str, static: bool, name: str | None) -> None:
    """Tell everything that is wrong with the package at PATH, each with its place and its mend.

    First the package is read, without running anything of it. Then it is locked, built and started
    once in the sandbox, where the server's own run of the golden records is the verdict. Where the
    package has [validate], the started model must reach its threshold too.
    """
    try:
        with opened(path, name) as package:
            for note in package.notes:
                mend = f" ({note.mend})" if note.mend else ""
                output.progress.note(f"{note}{mend}")
            records = examine(package)
            validation = None
            if not static:
                with yard(output.progress) as place:
                    validation = _start(package, place, records)
            document = {
                "name": package.name,
                "version": str(package.version),
                "runtime": package.model.runtime,
                "schema": package.model.schema,
                "complaints": [],
                "notes": [asdict(note) for note in package.notes],
                "started": not static,
                "validation": validation,
            }
            output.result(document, _verdict(package, validation, static=static))
    except PackageError as error:
        if not output.as_json or not error.complaints:
            raise
        output.result({"complaints": [asdict(each) for each in error.complaints]}, "")
        raise SystemExit(3) from None


def _start(package: Package, place: Yard, records: int) -> Validation | None:
    """Start the image once, under a name of this check's own, and take it down again."""
    built, _ = build_image(package, lock_package(package, place), place)
    here = pick(read_index(place.store, built.index), host_platform())
    target = ProcessTarget(place.store, place.home.state)
    name = f"check-{package.name[:40]}-{secrets.token_hex(4)}"
    place.progress.step(f"starting {package.name} once in the sandbox")
    deployment = Deployment(
        name=name,
        manifest=here.digest,
        config=built.images[host_platform()].config,
        version=str(package.version),
    )
    status = target.up(deployment, progress=place.progress)
    try:
        if status.address is None or not records:
            return None
        place.progress.step(f"validating {package.name}")
        return validate(package, status.address, records=records, progress=place.progress)
    finally:
        target.down(name)


def _verdict(package: Package, validation: Validation | None, *, static: bool) -> str:
    golden = len(package.model.golden)
    files = "1 golden file" if golden == 1 else f"{golden} golden files"
    hold = "holds" if golden == 1 else "hold"
    if static:
        return f"{package.name} {package.version}: nothing to mend ({files} not run)"
    reached = "" if validation is None else f"; {validation}"
    return f"{package.name} {package.version}: starts and answers ({files} {hold}{reached})"
