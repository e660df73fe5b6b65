"""What uv says when it fails, as errors of ours."""

import re
from collections.abc import Sequence

from packaging.requirements import Requirement

from shipmark.errors import DownloadFailed, LockError, Unresolvable

_NO_SOLUTION = "No solution found when resolving dependencies cause: "
_UNKNOWN = re.compile(r"Because (\S+) was not found in the package registry")
_NO_WHEEL = re.compile(r"no usable wheels|no wheels with a matching|has no wheels")
_NETWORK = re.compile(
    r"Failed to fetch|error sending request|Network connectivity|Could not connect"
)
_UNREACHED = re.compile(r"tcp connect error|dns error")
_DENIED = re.compile(r"\b(401|403) (Unauthorized|Forbidden)|\bstatus code 40[13]\b")


def may_pass(said: str) -> bool:
    """Whether it is a fault of the network, which another attempt may not meet."""
    return bool(_NETWORK.search(said)) and not _DENIED.search(said)


def unreached(said: str) -> bool:
    """Whether no connection came about at all."""
    return bool(_UNREACHED.search(said))


def explanation(said: str) -> str:
    """What uv says, without its frame and without advice on options that it was given."""
    paragraphs = re.split(r"\n\s*(?=hint:)", said)
    kept = [" ".join(each.split()) for each in paragraphs if "--no-build" not in each]
    return " ".join(kept).removeprefix("error: ").removeprefix(_NO_SOLUTION)


def failure(said: str, *, where: str, server: Sequence[str]) -> LockError | DownloadFailed:
    """Make an error of what uv says.

    Args:
        said: Without secrets, as `explanation` gives it.
        where: What the wheels are for: Python, Debian and platform.
        server: What the server requires.
    """
    if _DENIED.search(said):
        told = said.rpartition("hint: ")[2]
        return DownloadFailed(
            f"an index refused this host: {told}",
            hint="give a user name and password in the index URL of the environment "
            "(UV_INDEX_URL, PIP_INDEX_URL) or in netrc",
        )
    if _NETWORK.search(said):
        return DownloadFailed(
            f"a package index cannot be read: {said}",
            hint="check the network, the index settings and, behind a company proxy, SSL_CERT_FILE",
        )
    if _NO_WHEEL.search(said):
        return Unresolvable(
            f"a requirement has no wheel for {where}, and nothing is built from source: {said}",
            hint="require a version that has one; or build the wheel yourself (pip wheel NAME) and "
            "put it into a directory named by PIP_FIND_LINKS; or choose another [image] suite",
        )
    if unknown := _UNKNOWN.search(said):
        needs = [line for line in server if Requirement(line).name == unknown[1]]
        whose = "which the server needs" if needs else "which is required"
        return Unresolvable(
            f"{unknown[1]}, {whose}, is in no index: {said}",
            hint="check its name; indexes are taken from pip's and uv's settings "
            "(PIP_EXTRA_INDEX_URL, UV_INDEX, PIP_FIND_LINKS)",
        )
    if "shipmark-serve" in said:
        clashing = [line for line in server if Requirement(line).name in said]
        return Unresolvable(
            "the package's requirements clash with the server's own "
            f"({', '.join(clashing or server)}): {said}",
            hint="change the requirement of the package that is named here: the server's stand",
        )
    return Unresolvable(
        f"no set of versions fits {where}: {said}", hint="loosen or change a requirement"
    )
