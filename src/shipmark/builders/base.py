"""The base layer: Debian packages unpacked, and what their maintainer scripts would have done.

There is no shell and no package manager in it unless the lock asks for one. Everything is owned
by root and readable by all; the server runs as `nonroot`, or as any user of group 0.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from shipmark.builders import deb as debs
from shipmark.builders.deb_pool import DebPool
from shipmark.builders.part import Part
from shipmark.errors import BuildError
from shipmark.lock.lock import Deb
from shipmark.oci.layer import Directory, Entry, File, Symlink

USER_ID = 65532

_TRIMMED = re.compile(
    r"""
      usr/share/doc/[^/]+/(?!copyright$).+         # licences stay
    | usr/share/(?:man|info|locale|lintian|bash-completion|doc-base|applications|pixmaps)(?:/.*)?
    | usr/share/zoneinfo/(?:right|posix)(?:/.*)?
    | usr/lib/[^/]+/gconv(?:/.*)?
    | (?:usr/lib|etc)/(?:systemd|tmpfiles\.d|sysusers\.d|udev|binfmt\.d|init\.d)(?:/.*)?
    """,
    re.VERBOSE,
)
"""What a container never reads."""

_EMPTY = ("app", "dev", "etc/shipmark", "proc", "run", "sys")
_SHARED = ("tmp", "var/tmp")
_RUNTIME_LINKS = {"var/run": "/run", "var/lock": "/run/lock"}
"""Directories in base-files that its script turns into links."""

_PASSWD = f"""\
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
nonroot:x:{USER_ID}:{USER_ID}:nonroot:/tmp:/usr/sbin/nologin
"""
_GROUP = f"""\
root:x:0:
nogroup:x:65534:
nonroot:x:{USER_ID}:
"""
_NSSWITCH = """\
passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
"""
_HOSTS = """\
127.0.0.1 localhost
::1 localhost ip6-localhost
"""
_RELEASES = {"bookworm": "12", "trixie": "13"}

_ALTERNATIVES = (
    ("usr/bin/awk", "usr/bin/mawk"),
    ("usr/bin/awk", "usr/bin/gawk"),
    ("usr/lib/{arch}/libblas.so.3", "usr/lib/{arch}/blas/libblas.so.3"),
    ("usr/lib/{arch}/libblas.so.3", "usr/lib/{arch}/openblas-pthread/libblas.so.3"),
    ("usr/lib/{arch}/liblapack.so.3", "usr/lib/{arch}/lapack/liblapack.so.3"),
    ("usr/lib/{arch}/liblapack.so.3", "usr/lib/{arch}/openblas-pthread/liblapack.so.3"),
)
"""Links that update-alternatives would make; a later one is preferred to an earlier one."""

_MULTIARCH = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_CERTIFICATES = "usr/share/ca-certificates/"
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def base_parts(
    packages: Sequence[Deb],
    *,
    architecture: str,
    suite: str,
    python: str,
    pool: DebPool,
) -> list[Part]:
    """What the base layer holds, package by package.

    Raises:
        DigestMismatch: A package in the store is not the one of the lock.
        BuildError: A package cannot be read, or two hold one path.
    """
    parts = [
        _part(package, contents)
        for package, contents in zip(packages, pool.read(packages), strict=True)
    ]
    known = _by_path(parts)
    configured = _configured(known, _MULTIARCH[architecture], suite, python)
    return [*parts, Part(name="configuration", entries=tuple(configured))]


def _part(package: Deb, contents: debs.Contents) -> Part:
    kept = (entry for entry in contents.entries if _is_kept(entry))
    return Part(
        name=f"{package.name} {package.version}", entries=(*kept, *_status(package, contents))
    )


def _is_kept(entry: Entry) -> bool:
    return entry.path not in _RUNTIME_LINKS and _TRIMMED.fullmatch(entry.path) is None


def _by_path(parts: Iterable[Part]) -> dict[str, Entry]:
    owners: dict[str, str] = {}
    entries: dict[str, Entry] = {}
    for part in parts:
        for entry in part.entries:
            if isinstance(entry, Directory):
                continue
            if entry.path in owners:
                raise BuildError(
                    f"tried to unpack {part.name}: /{entry.path} is in {owners[entry.path]} too",
                    hint="leave one of the two packages out of [system] packages",
                )
            owners[entry.path] = part.name
            entries[entry.path] = entry
    return entries


def _status(package: Deb, contents: debs.Contents) -> Iterator[Entry]:
    """What dpkg would remember, in the form that scanners read of images without dpkg."""
    head, newline, rest = contents.control.partition(b"\n")
    yield File.of_bytes(
        f"var/lib/dpkg/status.d/{package.name}",
        head + newline + b"Status: install ok installed\n" + rest,
    )
    yield File.of_bytes(f"var/lib/dpkg/status.d/{package.name}.md5sums", contents.md5sums)


def _configured(
    known: Mapping[str, Entry], multiarch: str, suite: str, python: str
) -> Iterator[Entry]:
    yield from (Directory(path) for path in _EMPTY)
    yield from (Directory(path, shared=True) for path in _SHARED)
    for name in debs.MERGED:
        if name in {"bin", "sbin", "lib"} or any(path.startswith(f"usr/{name}/") for path in known):
            yield Symlink(name, f"usr/{name}")
    for path in ("usr/bin", "usr/sbin", "usr/lib"):
        yield Directory(path)
    wanted = [
        *(Symlink(path, target) for path, target in _RUNTIME_LINKS.items()),
        File.of_bytes("etc/passwd", _PASSWD.encode()),
        File.of_bytes("etc/group", _GROUP.encode()),
        File.of_bytes("etc/nsswitch.conf", _NSSWITCH.encode()),
        File.of_bytes("etc/hosts", _HOSTS.encode()),
        File.of_bytes("etc/resolv.conf", b""),
        File.of_bytes("etc/os-release", _os_release(suite)),
        *_certificates(known),
        *_alternatives(known, multiarch),
    ]
    if f"usr/bin/python{python}" in known:
        wanted.append(Symlink("usr/bin/python3", f"python{python}"))
    yield from (entry for entry in wanted if entry.path not in known)


def _certificates(known: Mapping[str, Entry]) -> Iterator[Entry]:
    """One file of all authorities, where OpenSSL and everybody else looks for it."""
    found = [known[path] for path in sorted(known) if path.startswith(_CERTIFICATES)]
    authorities = [entry.read() for entry in found if isinstance(entry, File)]
    if authorities:
        yield File.of_bytes(_BUNDLE, b"".join(text.rstrip(b"\n") + b"\n" for text in authorities))
        yield Symlink("usr/lib/ssl/cert.pem", f"/{_BUNDLE}")
        yield Symlink("usr/lib/ssl/certs", "/etc/ssl/certs")


def _alternatives(known: Mapping[str, Entry], multiarch: str) -> Iterator[Entry]:
    chosen = {
        link.format(arch=multiarch): target.format(arch=multiarch)
        for link, target in _ALTERNATIVES
        if target.format(arch=multiarch) in known
    }
    yield from (Symlink(link, f"/{target}") for link, target in chosen.items())


def _os_release(suite: str) -> bytes:
    version = _RELEASES.get(suite)
    numbered = "" if version is None else f'VERSION_ID="{version}"\n'
    return (
        f'PRETTY_NAME="Debian GNU/Linux ({suite})"\nNAME="Debian GNU/Linux"\n'
        f"{numbered}VERSION_CODENAME={suite}\nID=debian\n"
    ).encode()
