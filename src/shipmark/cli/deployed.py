"""Which images this user's deployments hold on to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from shipmark.cli.home import home
from shipmark.digest import Digest, from_hex
from shipmark.errors import ShipmarkError
from shipmark.oci.graph import read_index
from shipmark.store import ImageRecord, Store
from shipmark.store.holdings import Holdings
from shipmark.targets.process.state import StateDirectory, names


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What a deployment, running or stopped, needs of the store."""

    name: str
    version: str
    manifest: Digest
    unpacked: frozenset[Digest]
    """The layers that it is started from, by diff ID."""

    def holdings(self, store: Store) -> Holdings:
        """All that it needs; raises as `Holdings.of_manifest`."""
        found = Holdings.of_manifest(store, self.manifest)
        return replace(found, unpacked=found.unpacked | self.unpacked)


def deployed() -> list[Deployed]:
    """All deployments, by name.

    Raises:
        DeployError: What is known of one cannot be read.
    """
    root = home().deployments
    return [each for name in names(root) for each in _read(StateDirectory(root / name))]


def held_by(record: ImageRecord, store: Store, deployments: list[Deployed]) -> list[str]:
    """The deployments that run an image, by name.

    Raises:
        ShipmarkError: The image's index is missing or damaged.
    """
    manifests = {image.digest for image in read_index(store, record.index).manifests}
    return [each.name for each in deployments if each.manifest in manifests]


def needed(store: Store) -> Iterator[Holdings]:
    """What every named image and every deployment needs.

    Raises:
        ShipmarkError: It cannot be told, because something is damaged; the hint says what to do.
    """
    for record in store.images():
        try:
            yield Holdings.of_image(store, record)
        except ShipmarkError as error:
            raise ShipmarkError(
                f"what the image {record.name} needs cannot be told, so nothing is removed: "
                f"{error.message}",
                hint=f"build it again, or forget it: shipmark rmi {record.name}",
            ) from error
    for each in deployed():
        try:
            yield each.holdings(store)
        except ShipmarkError as error:
            raise ShipmarkError(
                f"what the deployment {each.name} needs cannot be told, so nothing is removed: "
                f"{error.message}",
                hint=f"build its image again, or remove it: shipmark down {each.name}",
            ) from error


def _read(directory: StateDirectory) -> Iterator[Deployed]:
    desired, launch = directory.desired(), directory.launch()
    if desired is not None:
        layers = () if launch is None else launch.layers
        yield Deployed(
            name=directory.name,
            version=desired.deployment.version,
            manifest=desired.deployment.manifest,
            unpacked=frozenset(from_hex(Path(layer).name) for layer in layers),
        )
