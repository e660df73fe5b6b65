"""What the local store holds, image by image: what uses it, and how large it is."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shipmark.cli.deployed import Deployed
from shipmark.digest import Digest
from shipmark.errors import ShipmarkError
from shipmark.oci.graph import read_config, read_index, read_manifest
from shipmark.store import Store
from shipmark.store.holdings import Holdings
from shipmark.store.removal import size_on_disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One image: named, or without a name any more and still deployed."""

    name: str | None
    version: str = ""
    digest: Digest | None = None
    """Of the index; of the manifest where there is no name."""
    platforms: tuple[str, ...] = ()
    tagged_at_s: float | None = None
    """When it was given its name, in seconds since 1970-01-01 UTC."""
    deployments: tuple[str, ...] = ()
    holdings: Holdings | None = None
    """None where it is damaged; `fault` then says how."""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes, and how many of them no other image needs."""

    all: int
    own: int


def listed(store: Store, deployments: Sequence[Deployed]) -> list[Listed]:
    """The named images, by name; then those that deployments alone hold on to."""
    named = [_named(store, name, deployments) for name in store.names()]
    known = {name for each in named for name in each.deployments}
    nameless: dict[Digest, list[Deployed]] = {}
    for each in deployments:
        if each.name not in known:
            nameless.setdefault(each.manifest, []).append(each)
    return named + [_nameless(store, users) for users in nameless.values()]


def _named(store: Store, name: str, deployments: Sequence[Deployed]) -> Listed:
    found = Listed(name=name, tagged_at_s=store.tagged_at_s(name))
    try:
        record = store.image(name)
        if record is None:
            return replace(found, fault="it was removed just now")
        found = replace(found, version=record.version, digest=record.index)
        images = read_index(store, record.index).manifests
        manifests = {image.digest for image in images}
        found = replace(
            found,
            platforms=tuple(str(image.platform) for image in images),
            deployments=tuple(each.name for each in deployments if each.manifest in manifests),
        )
        held = Holdings.of_image(store, record)
        return replace(found, holdings=held, fault=_missing(store, held))
    except ShipmarkError as error:
        return replace(found, fault=error.message)


def _missing(store: Store, held: Holdings) -> str:
    missing = [digest for digest in held.blobs if not store.path(digest).is_file()]
    if not missing:
        return ""
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"the blob {missing[0]}{more} is missing: build it again"


def _nameless(store: Store, users: Sequence[Deployed]) -> Listed:
    first = users[0]
    found = Listed(
        name=None,
        version=first.version,
        digest=first.manifest,
        deployments=tuple(each.name for each in users),
    )
    try:
        config = read_config(store, read_manifest(store, first.manifest).config.digest)
        found = replace(found, platforms=(f"{config.os}/{config.architecture}",))
        return replace(found, holdings=first.holdings(store))
    except ShipmarkError as error:
        return replace(found, fault=error.message)


class Sizes:
    """How large images are, each by itself and beside the others."""

    def __init__(self, store: Store, images: Iterable[Listed]) -> None:
        self._store = store
        self._uses: Counter[Digest] = Counter()
        self._unpacked: dict[Digest, int] = {}
        for each in images:
            if each.holdings is not None:
                held = each.holdings
                self._uses.update({*held.blobs, *held.materials, *held.unpacked})

    def blobs(self, held: Holdings) -> Size:
        """As stored, which is what is pulled."""
        return self._size(held.blobs)

    def materials(self, held: Holdings) -> Size:
        """What it was made from."""
        return self._size(held.materials)

    def unpacked(self, held: Holdings) -> Size:
        """What its layers occupy on the disk, as far as they are unpacked."""
        return self._size({diff_id: self._on_disk(diff_id) for diff_id in held.unpacked})

    def _size(self, sizes: Mapping[Digest, int]) -> Size:
        own = sum(size for digest, size in sizes.items() if self._uses[digest] == 1)
        return Size(sum(sizes.values()), own)

    def _on_disk(self, diff_id: Digest) -> int:
        if diff_id not in self._unpacked:
            self._unpacked[diff_id] = size_on_disk(self._store.unpacked(diff_id))
        return self._unpacked[diff_id]
