"""`shipmark rmi`: forget images by name or digest."""

import difflib

import click

from shipmark.cli.deployed import Deployed, deployed, held_by
from shipmark.cli.deployments import store
from shipmark.cli.output import Output, with_output
from shipmark.errors import DeployError, ShipmarkError
from shipmark.oci.graph import read_index

_FEWEST_DIGITS = 6
"""A digest may be cut short to so many hexadecimal digits."""


@click.command()
@click.argument("images", metavar="NAME|DIGEST...", nargs=-1, required=True)
@with_output
def command(output: Output, *, images: tuple[str, ...]) -> None:
    """Remove images from the local store, each by its name or its digest.

    A digest may be that of the index or of a manifest, and be cut short. An image that a deployment
    uses is refused, stopped ones included; then none is removed. What nothing else needs stays on
    the disk until `shipmark gc`.
    """
    names = list(dict.fromkeys(_name_of(image) for image in images))
    deployments = deployed()
    for name in names:
        _refuse_used(name, deployments)
    for name in names:
        store().untag(name)
    output.result(
        [{"name": name, "removed": True} for name in names],
        f"{', '.join(names)} removed; `shipmark gc` frees the room",
    )


def _name_of(image: str) -> str:
    """The name in the store that a word means.

    Raises:
        ShipmarkError: It means none, or several.
    """
    names = store().names()
    word = image.partition("@")[2] or image
    if word in names:
        return word
    digits = word.removeprefix("sha256:")
    meant = []
    if len(digits) >= _FEWEST_DIGITS:
        meant = [
            name
            for name in names
            if any(digest.startswith(f"sha256:{digits}") for digest in _digests(name))
        ]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise ShipmarkError(
            f"{image!r} may be any of {', '.join(meant)}", hint="give the name, or more digits"
        )
    close = difflib.get_close_matches(image, names, n=1)
    raise ShipmarkError(
        f"there is no image {image!r} in the store {store().root}",
        hint=f"did you mean {close[0]}?" if close else "see: shipmark images",
    )


def _digests(name: str) -> list[str]:
    """The digests by which an image may be called; fewer where it is damaged."""
    try:
        record = store().image(name)
        if record is None:
            return []
    except ShipmarkError:
        return []
    try:
        images = read_index(store(), record.index).manifests
    except ShipmarkError:
        return [record.index]
    return [record.index, *(image.digest for image in images)]


def _refuse_used(name: str, deployments: list[Deployed]) -> None:
    try:
        record = store().image(name)
        users = [] if record is None else held_by(record, store(), deployments)
    except ShipmarkError:
        return  # a damaged image cannot be used by its name; gc looks at the deployments itself
    if users:
        raise DeployError(
            f"the image {name} is used by {'the deployment' if len(users) == 1 else 'deployments'} "
            f"{', '.join(users)}",
            hint=f"remove it first: shipmark down {users[0]}",
        )
