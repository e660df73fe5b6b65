"""Whether there are certificates to trust, and the https servers that are used verify with them."""

import ssl
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from shipmark.doctor.examine import Check, examine
from shipmark.doctor.finding import Finding, together
from shipmark.doctor.reach import ANSWER_S, ask, certificate_fault, patient, was_answered
from shipmark.errors import DownloadFailed
from shipmark.lock.credentials import bare
from shipmark.lock.sources import Sources
from shipmark.lock.transport import Transport

_EXPIRED, _NOT_YET_VALID, _OTHER_HOST, _OTHER_ADDRESS = 10, 9, 62, 64
"""Of X509_V_ERR_*. Source: openssl/x509_vfy.h."""

_NAMED = "set SSL_CERT_FILE (or PIP_CERT) to a PEM file with the certificates to trust"


def check(sources: Sources, *, now: datetime) -> Finding:
    """Read the certificates, then open a connection to every https server of the settings."""
    bundle = sources.ca_bundle
    own = _bundle(bundle, now) if bundle is not None else _system(now)
    if own.status == "failed":
        return own
    with Transport(patient(sources)) as transport:
        checks = {
            origin: Check(run=partial(_verify, transport, origin, url), why="")
            for origin, url in _servers(sources).items()
        }
        return together([own, *(each for _, each in examine(checks, timeout_s=ANSWER_S))])


# -- what is trusted ---------------------------------------------------------------------


def _bundle(path: Path, now: datetime) -> Finding:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        path.open("rb").close()
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        return Finding.failed(f"{path} holds no certificates: {error.reason}", mend=_NAMED)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Finding.failed(f"the certificates in {path} cannot be read: {reason}", mend=_NAMED)
    return _dates(context, str(path), now)


def _system(now: datetime) -> Finding:
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    folder = Path(paths.capath or paths.openssl_capath)
    # Those of a folder are read when they are needed, and not listed before.
    if not context.get_ca_certs() and not any(folder.glob("*.0")):
        return Finding.failed(
            f"this Python finds no certificates, neither in {paths.openssl_cafile} nor in {folder}",
            mend=f"apt install ca-certificates (or dnf, apk), or {_NAMED}",
        )
    return _dates(context, paths.cafile or str(folder), now)


def _dates(context: ssl.SSLContext, place: str, now: datetime) -> Finding:
    certificates = context.get_ca_certs()
    expired = [
        certificate
        for certificate in certificates
        if ssl.cert_time_to_seconds(str(certificate["notAfter"])) < now.timestamp()
    ]
    if expired and len(expired) == len(certificates):
        until = expired[0]["notAfter"]
        return Finding.failed(
            f"every certificate in {place} has expired (the first on {until})",
            mend="get a new file, or apt install --only-upgrade ca-certificates; if the date is "
            "wrong here, see the check `clock`",
        )
    old = f", {len(expired)} of them expired" if expired else ""
    return Finding.ok(f"{len(certificates)} certificates in {place}{old}")


# -- who is verified ---------------------------------------------------------------------


def _servers(sources: Sources) -> dict[str, str]:
    """The https servers: the origin of each, and a URL to ask it for."""
    urls = (*sources.indexes, *sources.find_links, *sources.mirrors.values())
    return {
        f"https://{urlsplit(bare(url)).netloc}": f"{url.rstrip('/')}/shipmark/"
        for url in urls
        if urlsplit(url).scheme == "https"
    }


def _verify(transport: Transport, origin: str, url: str) -> Finding:
    try:
        ask(transport, url)
    except DownloadFailed as error:
        fault = certificate_fault(error)
        if fault is not None:
            mend = _mend(fault.verify_code, origin, transport.sources.ca_bundle)
            return Finding.failed(f"{origin}: {fault.verify_message}", mend=mend)
        if not was_answered(error):
            return Finding.warning(
                f"{origin} cannot be reached to be verified",
                mend="see the checks `index` and `debian`",
            )
    return Finding.ok(f"{origin} verifies")


def _mend(code: int, origin: str, bundle: Path | None) -> str:
    if code in {_EXPIRED, _NOT_YET_VALID}:
        return (
            "see the check `clock` first; if the clock is right, the server's own certificate "
            "has to be renewed"
        )
    if code in {_OTHER_HOST, _OTHER_ADDRESS}:
        return f"name the server as its certificate does; this one is not for {origin}"
    if bundle is not None:
        return f"add the certificate that signs there (a company's CA) to {bundle}"
    return f"if a proxy or company CA signs there: {_NAMED}, theirs among them"
