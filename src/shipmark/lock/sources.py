"""Where debs and wheels come from on this host: used for downloads, never written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

DEBIAN_MIRRORS = {
    "debian": "https://deb.debian.org/debian",
    "debian-security": "https://deb.debian.org/debian-security",
}
"""Archive -> the default mirror's root."""

IndexStrategy = Literal["first-index", "unsafe-first-match", "unsafe-best-match"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Indexes, mirrors and how to reach them.

    URLs may carry credentials; they are kept out of `repr`, and whoever prints a URL passes it
    through `credentials.public` first.
    """

    cache: Path
    """Downloads by hash, and what was learnt about them; may be deleted at any time."""
    index_url: str = field(default="https://pypi.org/simple", repr=False)
    extra_index_urls: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    """Directories, `file:` URLs, or pages of links."""
    no_index: bool = False
    """Only `find_links` may be used."""
    index_strategy: IndexStrategy = "first-index"
    """Which index may answer for a name that several have. Source: uv, `--index-strategy`."""
    mirrors: Mapping[str, str] = field(default_factory=lambda: dict(DEBIAN_MIRRORS), repr=False)
    ca_bundle: Path | None = None
    """Certificates to trust in place of the system's."""
    netrc: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Under `http`, `https` and `all` a proxy's URL; under `no` the hosts to reach directly."""
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    """Longest silence of a server; over such a span at least 1 KiB/s must come."""
    attempts: int = 4
    back_off_s: float = 0.5
    """Wait before the second attempt; doubled each time."""

    @property
    def indexes(self) -> tuple[str, ...]:
        """Every package index, the extra ones first, as uv asks them."""
        return () if self.no_index else (*self.extra_index_urls, self.index_url)
