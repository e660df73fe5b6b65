"""`shipmark build`: the image of a package, without a container daemon."""

import secrets
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from shipmark.builders import Built, BuiltImage, BuiltLayer
from shipmark.cli.amounts import size_text
from shipmark.cli.flow import Yard, build_image, lock_package, opened, yard
from shipmark.cli.output import Output, with_output
from shipmark.cli.platforms import host_platform, platform_option
from shipmark.errors import BuildError
from shipmark.oci.archive import write_archive
from shipmark.oci.layout import write_layout
from shipmark_serve.contract.model import Model

SHOWN_PARTS = 3


@click.command()
@click.argument("path", default=".")
@click.option(
    "--locked",
    is_flag=True,
    help="Refuse a lock that no longer describes the package, and say what changed.",
)
@platform_option("A platform to build, and to lock where it is not", default="those of the lock")
@click.option(
    "--output",
    "-o",
    "target",
    type=click.Path(path_type=Path),
    help="Also write FILE.tar (a docker-archive, for docker load) or FOLDER (an OCI layout).",
)
@click.option("--name", help="The model's name, for a zip on standard input.")
@with_output
def command(
    output: Output,
    *,
    path: str,
    locked: bool,
    platforms: tuple[str, ...],
    target: Path | None,
    name: str | None,
) -> None:
    """Build the image of the package at PATH.

    PATH is a directory, a model file, a zip, or - for a zip on standard input. The image goes
    into the local store; its digest is printed. The same lock gives the same digest on any
    machine. Nothing of the package is executed. Layers that an earlier build made are taken up. A
    package without a lock is locked first.
    """
    with opened(path, name) as package, yard(output.progress) as place:
        lock = lock_package(package, place, platforms=platforms, locked=locked)
        built, lock = build_image(package, lock, place, platforms=platforms)
        if target is not None:
            _write(place, built, lock.model, target)
        output.result(_document(lock.model, built), _text(lock.model, built))


def _write(place: Yard, built: Built, model: Model, target: Path) -> None:
    if target.suffix != ".tar":
        write_layout(place.store, built.index, target, name=model.version)
        return
    image = built.images.get(host_platform()) or next(iter(built.images.values()))
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("wb") as stream:
            tags = [f"{model.name}:{model.version}"]
            write_archive(place.store, image.manifest, stream, tags=tags)
        beside.rename(target)
    except OSError as error:
        raise BuildError(
            f"tried to write {target}: {error.strerror or error}",
            hint="name a file in a folder that can be written to and has room",
        ) from error
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def _document(model: Model, built: Built) -> dict[str, object]:
    first = next(iter(built.images.values()))
    return {
        "name": model.name,
        "version": model.version,
        "digest": built.index,
        "materials": built.materials,
        "manifests": {platform: image.manifest for platform, image in built.images.items()},
        "configs": {platform: image.config for platform, image in built.images.items()},
        "size": first.size,
        "seconds": round(built.seconds, 3),
        "layers": _by_size(first),
        "images": {platform: _by_size(image) for platform, image in built.images.items()},
    }


def _by_size(image: BuiltImage) -> list[object]:
    ordered = sorted(image.layers, key=lambda layer: -layer.size)
    return [_layer(layer) for layer in ordered]


def _layer(layer: BuiltLayer) -> object:
    parts = sorted(layer.parts, key=lambda part: -part.size)
    return msgspec.to_builtins(layer) | {"parts": [msgspec.to_builtins(part) for part in parts]}


def _text(model: Model, built: Built) -> str:
    lines = []
    for platform, image in built.images.items():
        lines.append(f"{model.name} {model.version} for {platform}, {size_text(image.size)}")
        for layer in sorted(image.layers, key=lambda layer: -layer.size):
            names = [part.name for part in sorted(layer.parts, key=lambda part: -part.size)]
            more = f" and {len(names) - SHOWN_PARTS} more" if len(names) > SHOWN_PARTS else ""
            shown = f" ({', '.join(names[:SHOWN_PARTS])}{more})" if len(names) > 1 else ""
            cached = ", cached" if layer.cached else ""
            lines.append(f"  {size_text(layer.size):>9}  {layer.title}{shown}{cached}")
        lines.append(f"  manifest {image.manifest}")
    return "\n".join([*lines, f"{model.name}@{built.index}"])
