"""Requirements -> wheels, by uv: one version of each, with its hash, and nothing built.

uv runs in a scratch directory with an environment of ours alone, so that neither a host's
settings nor its paths reach the lock except through `Sources`.
"""

import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from shipmark.errors import DownloadFailed, LockError, Unresolvable
from shipmark.lock import tags, uv_words
from shipmark.lock.credentials import Credentials, bare
from shipmark.lock.debian.base import Suite
from shipmark.lock.sources import Sources

_UV_NEWEST_GLIBC = (2, 40)
"""The newest that `uv --python-platform` knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A wheel that was chosen, and where it can be had."""

    name: str
    version: str
    filename: str
    url: str
    """Without credentials."""
    sha256: str
    size: int | None
    """In bytes; None where the index does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server's own wheel, whose requirements are resolved together with the package's."""

    filename: str
    data: bytes
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What the wheels are for."""

    suite: Suite
    python_exact: str
    platform: str


def resolve(
    requirements: Sequence[str],
    server: Server,
    aim: Aim,
    *,
    prefer: Mapping[str, str],
    allowed: Mapping[str, frozenset[str]],
    sources: Sources,
    scratch: Path,
) -> tuple[Pin, ...]:
    """Choose a wheel for every requirement and all that they require.

    Args:
        requirements: PEP 508 lines of the package.
        server: Its pins stand: where the package's clash with them, nothing is chosen.
        aim: Python, glibc and platform of the image.
        prefer: Name -> version to keep where it fits.
        allowed: Name -> sha256 digits that the package's author allows; others may have any.
        sources: Indexes and how to reach them.
        scratch: An empty directory.

    Raises:
        Unresolvable: No set of versions fits, or one has no wheel.
        DownloadFailed: An index cannot be read.
    """
    for line in requirements:
        _refuse_direct(line)
    (scratch / server.filename).write_bytes(server.data)
    lines = [*requirements, f"shipmark-serve @ {(scratch / server.filename).as_uri()}"]
    (scratch / "requirements.txt").write_text("\n".join(lines) + "\n")
    output = scratch / "pylock.toml"
    command = [*_command(aim, sources), "--output-file", output.name, "requirements.txt"]
    fitting = _fitting(prefer, [*requirements, *server.requires])
    if fitting:
        pins = "".join(f"{name}=={version}\n" for name, version in sorted(fitting.items()))
        (scratch / "constraints.txt").write_text(pins)
        constrained = [*command, "--constraints", "constraints.txt"]
        failure = _run(constrained, server, aim, sources, scratch)
        if isinstance(failure, LockError):
            # Not all can stay, so as many as may: uv keeps versions that its output file names.
            output.write_text(_preferences(fitting))
            failure = _run(command, server, aim, sources, scratch)
    else:
        failure = _run(command, server, aim, sources, scratch)
    if failure is not None:
        raise failure
    packages = tomllib.loads(output.read_text())["packages"]
    return tuple(
        _pin(package, aim, allowed.get(canonicalize_name(package["name"])), scratch)
        for package in packages
        if package["name"] != "shipmark-serve"
    )


def _command(aim: Aim, sources: Sources) -> list[str]:
    major, minor = min(aim.suite.glibc, _UV_NEWEST_GLIBC)
    return [
        find_uv_bin(),
        *("pip", "compile", "--no-config", "--quiet", "--no-python-downloads"),
        *("--cache-dir", str(sources.cache / "uv")),
        *("--python", sys.executable, "--python-version", aim.python_exact),
        *("--python-platform", f"{tags.machine(aim.platform)}-manylinux_{major}_{minor}"),
        *("--only-binary", ":all:", "--generate-hashes", "--format", "pylock.toml"),
        *("--no-header", "--no-annotate"),
        *(("--no-index",) if sources.no_index else ()),
    ]


def _run(
    command: Sequence[str], server: Server, aim: Aim, sources: Sources, scratch: Path
) -> LockError | DownloadFailed | None:
    """Run uv; its own retries wait for seconds, so only for a fault that may pass."""
    environment = _environment(sources, scratch)
    retries = 0
    while True:
        completed = subprocess.run(
            command,
            cwd=scratch,
            env=environment | {"UV_HTTP_RETRIES": str(retries)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if completed.returncode == 0:
            return None
        said = Credentials(sources).redact(completed.stderr).replace(f"{scratch}/", "")
        if retries or not uv_words.may_pass(said):
            return uv_words.failure(
                uv_words.explanation(said),
                where=f"Python {aim.suite.python}, Debian {aim.suite.name}, {aim.platform}",
                server=server.requires,
            )
        retries = 1 if uv_words.unreached(said) else sources.attempts - 1


def _environment(sources: Sources, scratch: Path) -> dict[str, str]:
    """Settings of uv; credentials go this way, since arguments can be seen by every user."""
    settings = {
        "HOME": str(scratch),
        "UV_DEFAULT_INDEX": "" if sources.no_index else sources.index_url,
        "UV_INDEX": "" if sources.no_index else " ".join(sources.extra_index_urls),
        "UV_FIND_LINKS": ",".join(sources.find_links),
        "UV_INDEX_STRATEGY": sources.index_strategy,
        "UV_HTTP_TIMEOUT": str(int(sources.read_timeout_s)),
        "SSL_CERT_FILE": str(sources.ca_bundle or ""),
        "NETRC": str(sources.netrc or ""),
    }
    for scheme, value in sources.proxies.items():
        settings[f"{scheme.upper()}_PROXY"] = value
    return {name: value for name, value in settings.items() if value}


def _fitting(prefer: Mapping[str, str], requirements: Sequence[str]) -> dict[str, str]:
    """The preferred versions that the package's own requirements leave room for."""
    asked = [Requirement(line) for line in requirements]
    return {
        name: version
        for name, version in prefer.items()
        if all(
            each.specifier.contains(version, prereleases=True)
            for each in asked
            if canonicalize_name(each.name) == name
        )
    }


def _preferences(prefer: Mapping[str, str]) -> str:
    entries = [
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n'
        for name, version in sorted(prefer.items())
    ]
    return "\n".join(['lock-version = "1.0"\ncreated-by = "shipmark"\n', *entries])


def _refuse_direct(line: str) -> None:
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        raise LockError(
            f"{line!r} is not a requirement: {error}", hint="write it like: numpy>=2,<3"
        ) from None
    if requirement.url:
        raise Unresolvable(
            f"{requirement.name} is required by its address, {bare(requirement.url)}, and a lock "
            "names no places",
            hint=f"put the wheel into a directory, name that in PIP_FIND_LINKS, and require "
            f"{requirement.name} by version",
        )


def _pin(
    package: Mapping[str, Any], aim: Aim, allowed: frozenset[str] | None, scratch: Path
) -> Pin:
    """Choose among the wheels of one package of a pylock.toml. Source: PEP 751."""
    offered = [(_filename(wheel), wheel) for wheel in package.get("wheels", ())]
    name, version = canonicalize_name(package["name"]), str(package.get("version", ""))
    if allowed is not None:
        offered = [(file, wheel) for file, wheel in offered if _sha256(wheel) in allowed]
        if not offered:
            raise Unresolvable(
                f"{name} {version} has no wheel whose sha256 is among the hashes that the "
                "package's requirements give",
                hint="pin the version that the hashes belong to, or give those of its wheels",
            )
    wheel = tags.best(
        offered, python=aim.suite.python, glibc=aim.suite.glibc, platform=aim.platform
    )
    if wheel is None:
        raise Unresolvable(
            f"{name} {version} has no wheel for Python {aim.suite.python} on {aim.platform}",
            hint="require a version that has one, or put a wheel of your own into a directory "
            "named by PIP_FIND_LINKS",
        )
    sha256 = _sha256(wheel)
    if sha256 is None:
        raise Unresolvable(
            f"the index gives no sha256 for {_filename(wheel)}",
            hint="use an index that gives hashes (PEP 503)",
        )
    url = wheel.get("url")
    return Pin(
        name=name,
        version=version,
        filename=_filename(wheel),
        url=bare(url) if url else (scratch / wheel["path"]).resolve().as_uri(),
        sha256=sha256,
        size=wheel.get("size"),
    )


def _sha256(wheel: Mapping[str, Any]) -> str | None:
    sha256 = wheel.get("hashes", {}).get("sha256")
    return sha256 if isinstance(sha256, str) else None


def _filename(wheel: Mapping[str, Any]) -> str:
    if "name" in wheel:
        return str(wheel["name"])
    place = urlsplit(wheel["url"]).path if "url" in wheel else wheel["path"]
    return unquote(place).rpartition("/")[2]
