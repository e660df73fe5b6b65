"""The page of the sandbox has every limit, refused call, setting, state and time of the source."""

import typing
from pathlib import Path

import msgspec
import pytest

from shipmark.deploy.deployment import Deployment
from shipmark.deploy.limits import LEAST_MEMORY_BYTES, Limits
from shipmark.deploy.status import ObservedState
from shipmark.targets.process import host, log, ports, seccomp, supervisor, watch
from shipmark.targets.process.sandbox import USER

PAGE = (Path(__file__).parents[2] / "docs/reference/sandbox.md").read_text(encoding="utf-8")


def test_every_limit_with_its_default() -> None:
    rows = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}

    for field in msgspec.structs.fields(Limits):
        shown = rows[field.name].split("|")[3]
        if field.default is None:
            assert "none" in shown
        elif field.name.endswith("_bytes"):
            assert f"{field.default >> 20} MiB" in shown
        else:
            assert str(field.default) in shown
    assert f"at least {LEAST_MEMORY_BYTES >> 20}M" in rows["memory_bytes"]


@pytest.mark.parametrize("architecture", [seccomp.AMD64, seccomp.ARM64], ids=lambda a: a.name)
def test_every_refused_call(architecture: seccomp.Architecture) -> None:
    assert [call for call in architecture.calls if f"`{call}`" not in PAGE] == []


def test_every_setting_that_forbids_namespaces() -> None:
    for name, value, mend in host._SETTINGS:
        row = next(line for line in PAGE.splitlines() if f"`{name.replace('/', '.')}`" in line)
        assert f"| {value} |" in row
        assert mend.partition(",")[0] in row


def test_every_state() -> None:
    _, _, section = PAGE.partition("### States")
    assert [
        state for state in typing.get_args(ObservedState) if f"| `{state}` |" not in section
    ] == []


def test_times_and_numbers() -> None:
    restarts = (
        f"again after {supervisor.FIRST_DELAY_S:g} s, twice as long each time, at most "
        f"{supervisor.LONGEST_DELAY_S:g} s; from the beginning after {supervisor.HEALTHY_S:g} s"
    )
    assert restarts in PAGE
    fields = {field.name: field.default for field in msgspec.structs.fields(Deployment)}
    assert f"SIGKILL after {fields['stop_grace_s']:g} s" in PAGE
    probes = f"every {watch._RUNNING_PROBE_S:g} s, and gives an answer {watch._PROBE_TIMEOUT_S:g} s"
    assert probes in PAGE
    assert f"Two files of {log.FILE_BYTES >> 20} MiB" in PAGE
    assert f"from {ports.FIRST_PORT} on" in PAGE
    assert f"| {USER}, without capabilities" in PAGE
