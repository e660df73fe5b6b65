"""What every test may rely on, and what happens where the host lacks something.

A test that needs more than Python says so by a marker. Elsewhere than in CI it is left out with
the reason; with CI=true what is left out is a failure.
"""

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI") == "true"

# onnxruntime's wheel reports home unless this is set before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


@cache
def _sandbox_lack() -> str | None:
    if sys.platform != "linux":
        return "the sandbox needs Linux"
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed (apt-get install bubblewrap)"
    probe = subprocess.run(
        ["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False
    )
    return None if probe.returncode == 0 else "user namespaces are denied on this host"


@cache
def _network_lack() -> str | None:
    try:
        with urllib.request.urlopen("https://pypi.org/simple/pip/", timeout=20):
            return None
    except (OSError, urllib.error.URLError) as error:
        return f"no package index can be reached ({error})"


def _lack(item: pytest.Item) -> str | None:
    if item.get_closest_marker("sandbox") and (lack := _sandbox_lack()):
        return lack
    if item.get_closest_marker("network") and (lack := _network_lack()):
        return lack
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if shutil.which(program) is None:
                return f"{program} is not installed"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what this host cannot run, and say why."""
    if lack := _lack(item):
        if IN_CI:
            pytest.fail(f"left out in CI: {lack}", pytrace=False)
        pytest.skip(lack)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip of any kind is a failure."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"left out in CI: {report.longrepr}"
    return report


@pytest.fixture
def shipmark_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for the test."""
    home = tmp_path / "home"
    monkeypatch.setenv("SHIPMARK_HOME", str(home))
    return home
