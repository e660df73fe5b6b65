"""The check of certificates tells a missing file, an expired one and an unknown signer apart."""

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shipmark.doctor import certificates
from shipmark.doctor.finding import Finding
from shipmark.lock.sources import Sources
from tests.unit.doctor.servers import certificate
from tests.unit.lock.loopback import serving

NOW = datetime.now(UTC)
pytestmark = pytest.mark.needs("openssl")


def check(tmp_path: Path, url: str, bundle: Path | None, *, now: datetime = NOW) -> Finding:
    sources = Sources(cache=tmp_path, index_url=url, ca_bundle=bundle)
    return certificates.check(replace(sources, mirrors={"debian": "http://localhost"}), now=now)


def test_a_server_that_verifies(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with serving(pem) as server:
        finding = check(tmp_path, f"{server.url}/simple", pem)

    assert finding.status == "ok"
    assert finding.found == f"1 certificates in {pem}; {server.url} verifies"


def test_a_company_ca_that_this_host_does_not_know(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with serving(pem) as server:
        finding = check(tmp_path, f"{server.url}/simple", None)

    assert finding.status == "failed"
    assert finding.found == f"{server.url}: self-signed certificate"
    assert "SSL_CERT_FILE" in finding.mend


def test_another_ca_than_the_one_that_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    trusted = certificate(tmp_path)
    with serving(certificate(tmp_path / "theirs")) as server:
        finding = check(tmp_path, f"{server.url}/simple", trusted)

    assert finding.status == "failed"
    assert finding.mend.endswith(f"to {trusted}")


def test_a_server_whose_certificate_has_expired(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    expired, trusted = certificate(tmp_path / "server", days=-1), tmp_path / "bundle.pem"
    trusted.write_bytes(expired.read_bytes() + certificate(tmp_path).read_bytes())
    with serving(expired) as server:
        finding = check(tmp_path, f"{server.url}/simple", trusted)

    assert finding.status == "failed"
    assert finding.found == f"{server.url}: certificate has expired"
    assert "clock" in finding.mend


def test_a_certificate_for_another_host(tmp_path: Path) -> None:
    pem = certificate(tmp_path, host="DNS:elsewhere.example")
    with serving(pem) as server:
        finding = check(tmp_path, f"{server.url}/simple", pem)

    assert finding.status == "failed"
    assert "IP address mismatch" in finding.found
    assert "name the server as its certificate does" in finding.mend


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"https://me:hunter2@127.0.0.1:{closed.getsockname()[1]}"

    finding = check(tmp_path, f"{url}/simple", None)

    assert finding.status == "warning"
    assert "cannot be reached" in finding.found
    assert "hunter2" not in str(finding)


def test_a_refusal_comes_after_the_certificate(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with serving(pem) as server:
        server.logins["/"] = "me:hunter2"
        assert check(tmp_path, f"{server.url}/simple", pem).status == "ok"


def test_a_file_of_certificates_that_is_none(tmp_path: Path) -> None:
    missing, garbage = tmp_path / "missing.pem", tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    for path, said in (
        (missing, "no such file"),
        (tmp_path, "is a directory"),
        (garbage, "holds no certificates"),
    ):
        finding = check(tmp_path, "http://localhost", path)
        assert finding.status == "failed"
        assert said in finding.found
        assert str(path) in finding.found
        assert "SSL_CERT_FILE" in finding.mend


def test_a_file_in_which_everything_has_expired(tmp_path: Path) -> None:
    pem = certificate(tmp_path)

    finding = check(tmp_path, "http://localhost", pem, now=NOW + timedelta(days=9))

    assert finding.status == "failed"
    assert f"every certificate in {pem} has expired" in finding.found
