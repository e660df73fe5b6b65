"""The check of Python finds libraries of the wrong version, other compressed bytes, a lost uv."""

import zlib

import pytest

from shipmark.doctor import python
from shipmark.oci import gzip


def test_all_is_well_here() -> None:
    finding = python.check()

    assert finding.status == "ok"
    assert "Python 3." in finding.found
    assert "zlib-ng 1.1.0" in finding.found
    assert "uv " in finding.found


def test_a_library_that_is_missing_or_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["zlib-ng==0.0.1", "no-such-library>=2", 'absent; extra == "torch"', "click>=8"]
    monkeypatch.setattr(python, "requires", lambda _: needed)

    finding = python.check()

    assert finding.status == "failed"
    assert finding.found.splitlines() == [
        "zlib-ng 1.1.0 is installed, and zlib-ng==0.0.1 is needed",
        "no-such-library is not installed",
    ]


def test_a_compressor_that_makes_other_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip, "compress_block", zlib.compress)

    finding = python.check()

    assert finding.status == "failed"
    assert "other bytes" in finding.found
    assert "digests" in finding.why


def test_a_uv_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python, "find_uv_bin", lambda: "/no/such/uv")

    finding = python.check()

    assert finding.status == "failed"
    assert "uv does not run" in finding.found
