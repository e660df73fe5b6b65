"""`shipmark lock`: write down everything that determines an image's bytes."""

import click

from shipmark.cli.flow import lock_package, opened, yard
from shipmark.cli.output import Output, with_output
from shipmark.cli.platforms import platform_option
from shipmark.lock import text


@click.command()
@click.argument("path", default=".")
@click.option(
    "--upgrade",
    multiple=True,
    metavar="NAME",
    is_flag=False,
    flag_value="all",
    help="Resolve anew: a package's NAME, 'base' (Debian), 'shipmark-serve', or everything.",
)
@platform_option("A platform to lock besides those that are", default="this host's")
@with_output
def command(
    output: Output, *, path: str, upgrade: tuple[str, ...], platforms: tuple[str, ...]
) -> None:
    """Write the lock of the package at PATH: a directory, a model file or a zip.

    The lock names every Debian package, wheel, weight and file of code by its SHA-256, so that
    the same lock gives the same image anywhere. It lies in the directory as shipmark.lock, beside
    a file or zip as STEM.shipmark.lock. What it pins stays until --upgrade, or until the
    requirements or the server change.
    """
    with opened(path) as package, yard(output.progress) as place:
        lock = lock_package(package, place, platforms=platforms, upgrade=upgrade)
        wheels = {wheel.name for platform in lock.platforms.values() for wheel in platform.wheels}
        debs = {deb.name for platform in lock.platforms.values() for deb in platform.debs}
        document = {
            "name": lock.model.name,
            "version": str(package.version),
            "lock": package.lock_path,
            "digest": text.digest(lock),
            "platforms": sorted(lock.platforms),
            "debs": len(debs),
            "wheels": len(wheels),
        }
        output.result(
            document,
            f"{package.lock_path or 'lock'}: {lock.model.name} {lock.model.version}, "
            f"{len(debs)} Debian packages, {len(wheels)} wheels, {text.digest(lock)}",
        )
