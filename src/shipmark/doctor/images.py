"""Whether every image in the store is whole, and could be built again."""

from collections.abc import Iterator

from shipmark.doctor.finding import Finding, together
from shipmark.errors import ShipmarkError
from shipmark.oci.descriptor import Descriptor
from shipmark.oci.graph import read_index, read_manifest
from shipmark.store import Store
from shipmark.store.store import ImageRecord


def check(store: Store) -> Finding:
    """Follow each named image to its blobs: all there, and of the promised size."""
    names = sorted(path.stem for path in (store.root / "images").glob("*.json"))
    findings = [finding for name in names for finding in _faults(store, name)]
    return together(findings or [Finding.ok(", ".join(names) or "there are none yet")])


def _faults(store: Store, name: str) -> Iterator[Finding]:
    try:
        record = store.image(name)
        if record is not None:
            yield from _missing(store, record)
            yield from _missing_materials(store, record)
    except ShipmarkError as error:
        yield Finding.failed(
            f"{name}: {error.message}", mend=error.hint or f"build the package of {name} again"
        )


def _missing(store: Store, record: ImageRecord) -> Iterator[Finding]:
    for image in read_index(store, record.index).manifests:
        manifest = read_manifest(store, image.digest)
        for blob in (manifest.config, *manifest.layers):
            if fault := _fault(store, blob):
                yield Finding.failed(
                    f"{record.name}: {fault}", mend=f"build the package of {record.name} again"
                )


def _missing_materials(store: Store, record: ImageRecord) -> Iterator[Finding]:
    if record.materials is None:
        return
    for blob in read_manifest(store, record.materials).layers:
        if fault := _fault(store, blob):
            yield Finding.warning(
                f"a material of {record.name}: {fault}",
                why="the image cannot be built again once its index or mirror has dropped the file",
                mend=f"build the package of {record.name} again while it can be downloaded",
            )


def _fault(store: Store, blob: Descriptor) -> str:
    path = store.path(blob.digest)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return f"the blob {blob.digest} is missing"
    return f"{path} has {size} bytes, not {blob.size}" if size != blob.size else ""
