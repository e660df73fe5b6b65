"""What `make bench-build` says follows from its figures, and its page from its file."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import urlopen

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.building.__main__ import PAGE, RESULTS
from benchmarks.building.index import serving
from benchmarks.building.machine import file_system, processor
from benchmarks.building.page import render, table
from benchmarks.building.processes import Failed, descendants, run
from benchmarks.building.report import Machine, Memory, Report, Scenario, dumps, loads
from benchmarks.building.workload import HERE, Workload, requirements
from shipmark.store import Store
from tests.unit.lock.samples import lock_of, package

LOCK = lock_of(package())

REPORT = Report(
    measured="2026-11-21",
    rounds=3,
    weights_bytes=1 << 30,
    machine=Machine(
        processor="Abacus",
        cores=2,
        memory_bytes=8 << 30,
        kernel="6.1",
        file_system="ext4",
        load=0.1,
    ),
    versions={"Shipmark": "0.1.0", "Docker Engine": "20.10"},
    method="- Both build.",
    scenarios=(
        Scenario(
            title="cold",
            shipmark_s=(2.0, 9.0, 3.0),
            shipmark_processor_s=(4.0, 5.0, 4.5),
            docker_s=(6.0, 5.0, 7.0),
            at_most_ratio=0.6,
            bound="The processors.",
        ),
        Scenario(
            title="nothing changed",
            shipmark_s=(0.2, 0.6, 0.7),
            shipmark_processor_s=(0.1, 0.1, 0.1),
            docker_s=(0.1, 0.1, 0.1),
            at_most_s=0.5,
            bound="Python.",
        ),
    ),
    memory=(
        Memory(
            title="weights",
            together_bytes=50_000_000,
            largest_bytes=201_000_000,
            docker_bytes=60_000_000,
            at_most_bytes=200_000_000,
            bound="Pieces.",
        ),
    ),
)


def test_the_page_in_the_docs_is_the_rendering_of_the_figures() -> None:
    report = loads(RESULTS.read_bytes())

    assert PAGE.read_text(encoding="utf-8") == render(report), "run make bench-build"
    assert report.rounds >= 5


def test_a_report_comes_back_from_its_file_as_it_was() -> None:
    assert loads(dumps(REPORT)) == REPORT


def test_targets_hold_or_do_not_by_the_median() -> None:
    cold, nothing = REPORT.scenarios

    assert cold.ratio == pytest.approx(0.5)
    assert cold.holds
    assert not nothing.holds
    assert not REPORT.memory[0].holds, "the kernel saw more than the samples"
    assert not REPORT.holds
    assert msgspec.structs.replace(REPORT, scenarios=(cold,), memory=()).holds


def test_page_and_table_show_every_figure_and_say_what_fails() -> None:
    for text in (render(REPORT), table(REPORT)):
        lines = {line.strip("| ").split("  ")[0].split(" |")[0]: line for line in text.splitlines()}
        assert "3.00 (2.00-9.00)" in lines["cold"]
        assert "0.50" in lines["cold"]
        assert "yes" in lines["cold"]
        assert "no" in lines["nothing changed"]
        assert "201" in lines["weights"]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30))
def test_descendants_are_those_whose_ancestry_leads_to_the_root(links: list[int]) -> None:
    """Parents may be gone or form a ring: a process list is not read at one moment."""
    parents = {process: parent for process, parent in enumerate(links, 1) if parent != process}

    def leads_to_root(process: int) -> bool:
        seen = set()
        while process not in seen:
            if process == 1:
                return True
            seen.add(process)
            process = parents.get(process, 0)
        return False

    assert descendants(parents, 1) == {1} | {each for each in parents if leads_to_root(each)}


def test_a_program_is_measured_with_its_children() -> None:
    hold = "import time; data = bytearray(50_000_000); time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}]); print(7)"

    finished = run([sys.executable, "-c", parent], os.environ, watch=True)

    assert finished.output == "7\n"
    assert finished.seconds >= 0.5
    assert 50_000_000 < finished.largest_bytes < finished.together_bytes < 200_000_000


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(Failed, match=r"(?s)status 3.*oh no"):
        run([sys.executable, "-c", "print('oh no'); raise SystemExit(3)"], os.environ)


def test_the_code_changes_anew_each_time_and_stays_a_program(tmp_path: Path) -> None:
    workload = Workload(tmp_path / "work")
    seen = set()
    for _ in range(3):
        workload.change_code()
        seen.add((workload.app / "model.py").read_text())

    assert len(seen) == 3
    for text in seen:
        compile(text, "model.py", "exec")


def test_all_of_the_ballast_changes(tmp_path: Path) -> None:
    size = (16 << 20) + 5
    workload = Workload(tmp_path / "work", ballast_bytes=size)
    before = (workload.app / "weights" / "ballast.bin").read_bytes()
    workload.change_weights()
    after = (workload.app / "weights" / "ballast.bin").read_bytes()

    assert len(before) == len(after) == size
    assert before[-5:] != after[-5:]
    assert before[:5] != after[:5]


def test_the_dockerfile_has_the_command_and_user_of_an_image() -> None:
    """The two are compared as equals, so what Shipmark writes into a config stands there too."""
    from shipmark.builders.base import USER_ID
    from shipmark_serve.contract.model import IMAGE_DESCRIPTION, IMAGE_ROOT

    lines = (HERE / "Dockerfile").read_text().splitlines()

    assert f"USER {USER_ID}:{USER_ID}" in lines
    assert f"WORKDIR {IMAGE_ROOT}" in lines
    assert any(line.endswith(IMAGE_DESCRIPTION) for line in lines)
    assert 'ENTRYPOINT ["/usr/bin/python3.11", "-P", "-s", "-m", "shipmark_serve"]' in lines


def test_the_index_gives_pip_the_wheels_of_the_lock_to_keep(tmp_path: Path) -> None:
    store = Store(tmp_path)
    data = b"a wheel"
    sha256 = store.put(data).removeprefix("sha256:")
    wheel = msgspec.structs.replace(LOCK.platforms["linux/amd64"].wheels[0], sha256=sha256)
    platform = msgspec.structs.replace(LOCK.platforms["linux/amd64"], wheels=(wheel,))
    lock = msgspec.structs.replace(LOCK, platforms={"linux/amd64": platform})

    with serving(lock, "linux/amd64", store) as url:
        with urlopen(f"{url}{wheel.name}/") as response:
            link = response.read().decode().split('"')[1]
        with urlopen(urljoin(url, link)) as response:
            assert response.read() == data
            assert "max-age" in response.headers["Cache-Control"]
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{url}else/")
        refused.value.close()
    assert link.endswith(f"{wheel.filename}#sha256={sha256}")


def test_docker_installs_the_versions_of_the_lock() -> None:
    lines = requirements(LOCK, "linux/amd64").splitlines()

    wheels = LOCK.platforms["linux/amd64"].wheels
    assert lines[:-1] == sorted(f"{wheel.name}=={wheel.version}" for wheel in wheels)
    assert lines[-1] == f"/locked/{LOCK.server.filename}"


def test_the_file_system_is_that_of_the_deepest_mount() -> None:
    mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\noverlay / overlay rw 0 0\n"

    assert file_system(mounts, Path("/tmp/work")) == "tmpfs"
    assert file_system(mounts, Path("/tmpfiles")) == "overlay", "the later mount hides the earlier"


def test_the_processor_has_a_name_or_an_architecture() -> None:
    assert processor("processor\t: 0\nmodel name\t: Abacus 3\n") == "Abacus 3"
    assert processor("processor\t: 0\nBogoMIPS\t: 50\n")


def test_the_script_of_the_verb_is_a_shell_script() -> None:
    script = HERE.parents[1] / "dev" / "bench-build.sh"

    subprocess.run(["sh", "-n", script], check=True)
    assert os.access(script, os.X_OK)
