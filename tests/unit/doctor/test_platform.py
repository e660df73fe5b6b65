"""The platform check knows which systems, processors and kernels deployments run on."""

import pytest

from shipmark.doctor import platform


@pytest.mark.parametrize(
    ("system", "machine", "release", "status", "said"),
    [
        ("Linux", "x86_64", "6.1.0-18-amd64", "ok", "Linux 6.1.0-18-amd64 on x86_64"),
        ("Linux", "aarch64", "5.14.0-362.el9", "ok", "aarch64"),
        ("Linux", "x86_64", "5.13.19", "warning", "before 5.14"),
        ("Linux", "x86_64", "5.10.0-28-amd64", "warning", "Linux 5.11"),
        ("Linux", "x86_64", "4.19-rc1", "warning", "Linux 5.11"),
        ("Linux", "riscv64", "6.6", "failed", "the sandbox knows x86_64, aarch64"),
        ("Darwin", "arm64", "23.4.0", "warning", "Linux alone"),
    ],
)
def test_platforms(system: str, machine: str, release: str, status: str, said: str) -> None:
    finding = platform.check(system=system, machine=machine, release=release)

    assert finding.status == status
    assert said in finding.found
    assert bool(finding.mend) == (status != "ok")
