"""References: how people and registries call an image.

`[registry/]repository[:tag][@digest]`. As everywhere in the field, a name without a registry is
one of docker.io, and a single word there lies below `library/`.
Source: OCI distribution specification, "Pulling manifests"; the grammar of distribution/reference.
"""

import re
from dataclasses import dataclass
from typing import Self

from shipmark.digest import Digest
from shipmark.digest import parse as parse_digest
from shipmark.errors import ShipmarkError

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"{_PART}(?:/{_PART})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_REFERENCE = re.compile(
    rf"(?P<registry>{_HOST})/(?P<repository>{_REPOSITORY})"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>[^@]+))?"
)
DEFAULT_REGISTRY = "docker.io"
_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A repository in a registry, and which of its manifests."""

    registry: str
    """Host, with the port where it is not the usual one."""
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference.

        Raises:
            ShipmarkError: It is not one.
        """
        first, slash, _ = text.partition("/")
        named = slash and ("." in first or ":" in first or first == "localhost")
        match = _REFERENCE.fullmatch(text if named else f"{DEFAULT_REGISTRY}/{text}")
        if match is None:
            raise _refused(text, "expected [registry/]repository[:tag][@sha256:...]")
        registry, repository = match["registry"], match["repository"]
        if registry == DEFAULT_REGISTRY and "/" not in repository:
            repository = f"library/{repository}"
        if len(f"{registry}/{repository}") > _NAME_LENGTH:
            raise _refused(text, f"a name has at most {_NAME_LENGTH} characters")
        digest = match["digest"]
        return cls(
            registry=registry,
            repository=repository,
            tag=match["tag"],
            digest=None if digest is None else parse_digest(digest),
        )

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{self.registry}/{self.repository}{tag}{digest}"


def _refused(text: str, reason: str) -> ShipmarkError:
    hint = "repositories are lower case" if text != text.lower() else "for example ghcr.io/me/model"
    return ShipmarkError(f"{text!r} is not an image reference: {reason}", hint=hint)
