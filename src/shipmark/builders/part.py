"""A named share of a layer: one Debian package, one wheel, the weights."""

from dataclasses import dataclass

from shipmark.oci.layer import Entry, File


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Where entries of a layer come from, so that its size can be explained."""

    name: str
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Uncompressed, in bytes."""
        return sum(entry.size for entry in self.entries if isinstance(entry, File))
