"""`shipmark up`: start a package or image in a sandbox, and wait until it is ready."""

from collections.abc import Callable
from pathlib import Path

import click

from shipmark.cli import boot
from shipmark.cli.deployments import process_target, status_document, store
from shipmark.cli.output import Output, with_output
from shipmark.cli.platforms import host_platform
from shipmark.deploy.deployment import Deployment
from shipmark.deploy.limits import Limits, parse_size
from shipmark.errors import DeployError
from shipmark.oci.config import RESOURCE_LABEL
from shipmark.oci.graph import pick, read_config, read_index, read_manifest
from shipmark.store.store import ImageRecord


@click.command()
@click.argument("image", metavar="PATH_OR_IMAGE", default=".")
@click.option("--name", help="What the deployment is called. Default: the model's name.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: the first free from 8080.")
@click.option("--cpus", type=float, help="Processors it may use, such as 0.5 or 2.")
@click.option("--memory", metavar="SIZE", help="Memory it may use, such as 512M or 2G.")
@click.option("--env", "-e", multiple=True, metavar="KEY=VALUE", help="Set a variable for it.")
@click.option("--network", is_flag=True, help="Let the model open connections of its own.")
@click.option("--boot", "at_boot", is_flag=True, help="Start it with the host from now on.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long it may take to become ready.",
)
@with_output
def command(
    output: Output,
    *,
    image: str,
    name: str | None,
    port: int | None,
    cpus: float | None,
    memory: str | None,
    env: tuple[str, ...],
    network: bool,
    at_boot: bool,
    timeout_s: float,
) -> None:
    """Start PATH_OR_IMAGE in a sandbox and wait until it answers.

    A package is locked and built as needed; an image is the name of one in the local store. It
    runs in a sandbox: its own read-only files, no network, no capabilities, not as root. A
    supervisor keeps it running after this command has ended. Its golden records must hold before
    it counts as ready. A limit given here is refused where this host cannot enforce it; those of
    the package are noted.

    With --boot a unit for systemd is written into the folder of this user.
    """

    def check_name(name: str) -> None:
        process_target().require_free(name)
        if at_boot:
            boot.check(name)

    # From the first look at the image until the deployment holds on to it.
    click.get_current_context().with_resource(store().in_use(output.progress))
    if name is not None:
        check_name(name)
    record = _record(image, output, check_name if name is None else lambda _: None)
    manifest = pick(read_index(store(), record.index), host_platform()).digest
    config = read_manifest(store(), manifest).config.digest
    labels = read_config(store(), config).config.labels
    limits, explicit = _limits(labels, cpus=cpus, memory=memory)
    deployment = Deployment(
        name=name or record.name,
        manifest=manifest,
        config=config,
        version=record.version,
        port=port,
        limits=limits,
        env=dict(_pair(each) for each in env),
        network=network,
    )
    status = process_target().up(
        deployment, explicit_limits=explicit, timeout_s=timeout_s, progress=output.progress
    )
    document = status_document(status) | {"digest": record.index, "manifest": manifest}
    text = f"{status.name} {status.version} is ready on {status.address}"
    if at_boot:
        unit = boot.enable(deployment, output.progress)
        document |= {"unit": str(unit)}
        text += f", and starts with the host: {unit}"
    output.result(document, text)


def _record(image: str, output: Output, check_name: Callable[[str], None]) -> ImageRecord:
    """The image that the word names, built where it is a package.

    Args:
        image: The word.
        output: Who watches.
        check_name: Told the name before it costs time.
    """
    if image == "-" or Path(image).exists():
        # Only a package needs the way to an image; starting what is built should be quick.
        from shipmark.cli.flow import build_image, lock_package, opened, yard  # noqa: PLC0415

        with opened(image) as package, yard(output.progress) as place:
            check_name(package.name)
            built, lock = build_image(package, lock_package(package, place), place)
        # Not by its name: another build may have given that to an image of its own.
        return ImageRecord(name=lock.model.name, version=str(package.version), index=built.index)
    record = store().image(image)
    if record is None:
        known = ", ".join(each.name for each in store().images()) or "none"
        raise DeployError(
            f"{image!r} is neither a path nor an image in the store {store().root}",
            hint=f"build it first: shipmark build PATH (images here: {known})",
        )
    check_name(record.name)
    return record


def _limits(
    labels: dict[str, str], *, cpus: float | None, memory: str | None
) -> tuple[Limits, tuple[str, ...]]:
    """The limits, the package's own where none is given, and which of them were given."""
    own_cpus, own_memory = (labels.get(f"{RESOURCE_LABEL}{key}") for key in ("cpus", "memory"))
    size = memory or own_memory
    limits = Limits(
        cpus=cpus if cpus is not None else float(own_cpus) if own_cpus else None,
        memory_bytes=parse_size(size) if size else None,
    )
    given = {"cpus": cpus, "memory_bytes": memory}
    return limits, tuple(key for key, value in given.items() if value is not None)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--env")
    return key, value
