"""`shipmark images`: what is in the local store, how large it is, and what uses it."""

from datetime import UTC, datetime

import click

from shipmark.cli.amounts import size_text
from shipmark.cli.deployed import deployed
from shipmark.cli.deployments import store
from shipmark.cli.inventory import Listed, Size, Sizes, listed
from shipmark.cli.output import Output, with_output
from shipmark.cli.tables import table

DIGITS = 12
"""Of a digest, for a person."""

_NONE = Size(0, 0)


@click.command()
@with_output
def command(output: Output) -> None:
    """List the images in the local store: versions, platforms, digests, sizes, and what uses them.

    SIZE is what is pulled: all blobs as stored. UNPACKED is what its layers occupy for the
    sandbox, MATERIALS what it was made from. OWN is what of all three no other image needs: what
    `rmi` and `gc` would free. An image without a name was removed or built anew while a deployment
    still uses it.
    """
    images = listed(store(), deployed())
    sizes = Sizes(store(), images)
    documents = [_document(each, sizes) for each in images]
    if not images:
        output.result(documents, "there are no images yet; make one: shipmark build PATH")
        return
    head = ("NAME", "VERSION", "DIGEST", "PLATFORMS", "BUILT", "SIZE", "UNPACKED", "MATERIALS",
            "OWN", "USED BY")  # fmt: skip
    faults = [f"{each.name or each.digest}: {each.fault}" for each in images if each.fault]
    lines = table([head, *(_row(each, sizes) for each in images)])
    output.result(documents, "\n".join(lines + faults))


def _document(image: Listed, sizes: Sizes) -> dict[str, object]:
    held = image.holdings
    blobs = sizes.blobs(held) if held else _NONE
    unpacked = sizes.unpacked(held) if held else _NONE
    materials = sizes.materials(held) if held else _NONE
    return {
        "name": image.name,
        "version": image.version,
        "digest": image.digest,
        "platforms": image.platforms,
        "built_at": _built(image, "%Y-%m-%dT%H:%M:%SZ"),
        "size_bytes": blobs.all,
        "own_size_bytes": blobs.own,
        "unpacked_bytes": unpacked.all,
        "own_unpacked_bytes": unpacked.own,
        "materials_bytes": materials.all,
        "own_materials_bytes": materials.own,
        "deployments": image.deployments,
        "fault": image.fault or None,
    }


def _row(image: Listed, sizes: Sizes) -> tuple[str, ...]:
    held = image.holdings
    measured: tuple[str, ...] = ("damaged", "-", "-", "-")
    if held is not None:
        parts = (sizes.blobs(held), sizes.unpacked(held), sizes.materials(held))
        own = sum(part.own for part in parts)
        measured = (*(size_text(part.all) for part in parts), size_text(own))
    return (
        image.name or "-",
        image.version or "-",
        (image.digest or "-").removeprefix("sha256:")[:DIGITS],
        ",".join(image.platforms) or "-",
        _built(image, "%Y-%m-%d %H:%M") or "-",
        *measured,
        ", ".join(image.deployments) or "-",
    )


def _built(image: Listed, form: str) -> str | None:
    if image.tagged_at_s is None:
        return None
    return datetime.fromtimestamp(image.tagged_at_s, UTC).strftime(form)
