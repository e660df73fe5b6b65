"""The unit of a deployment says what it should, whatever the paths are called."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipmark.errors import DeployError
from shipmark.targets.process import boot

DIRECTORY = Path("/home/me/state/deployments/digits")


def _unit(command: list[str], environment: dict[str, str], directory: Path = DIRECTORY) -> str:
    return boot.unit(
        "digits",
        directory=directory,
        command=command,
        environment=environment,
        stop_grace_s=10,
    )


def test_the_supervisor_is_the_main_process_and_is_ended_gently() -> None:
    text = _unit(["/usr/bin/python3", "-m", "x"], {"PATH": "/usr/bin"})
    for line in (
        'Environment="PATH=/usr/bin"',
        'ExecStart=/usr/bin/env "/usr/bin/python3" "-m" "x"',
        "KillMode=mixed",
        "TimeoutStopSec=25",
        "Restart=on-abnormal",
        "Delegate=yes",
        "WantedBy=default.target",
    ):
        assert line in text.splitlines()


def _unquoted(value: str) -> list[str]:
    """Words as systemd.syntax(7) reads them; every word is in double quotes."""
    words: list[str] = []
    at = 0
    while at < len(value):
        assert value[at] == '"'
        at += 1
        word = bytearray()
        while value[at] != '"':
            if value[at] == "\\":
                if value[at + 1] == "x":
                    word.append(int(value[at + 2 : at + 4], 16))
                    at += 4
                    continue
                at += 1
            word += value[at].encode()
            at += 1
        words.append(word.decode("utf-8", "surrogateescape").replace("%%", "%"))
        at += 1
        assert value[at : at + 1] in {"", " "}
        at += 1
    return words


paths = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@given(word=paths, value=paths)
def test_every_word_comes_through(word: str, value: str) -> None:
    text = _unit(["/python", word], {"SHIPMARK_HOME": value})
    [started] = [line for line in text.split("\n") if line.startswith("ExecStart=")]
    read = _unquoted(started.removeprefix("ExecStart=/usr/bin/env "))
    assert [each.replace("$$", "$") for each in read] == ["/python", word]
    [setting] = [line for line in text.split("\n") if line.startswith("Environment=")]
    assert _unquoted(setting.removeprefix("Environment=")) == [f"SHIPMARK_HOME={value}"]


def test_bytes_that_are_no_text_come_through() -> None:
    name = b"/data/\xff".decode("utf-8", "surrogateescape")
    text = _unit(["/python"], {"SHIPMARK_HOME": name})
    assert 'Environment="SHIPMARK_HOME=/data/\\xff"' in text


def test_it_is_written_linked_and_removed_with_its_own_deployment(tmp_path: Path) -> None:
    text = _unit(["/python"], {})
    boot.enable(tmp_path, "digits", "what an earlier version wrote\n" + text)
    boot.check(tmp_path, "digits", DIRECTORY)
    path = boot.enable(tmp_path, "digits", text)
    link = tmp_path / "default.target.wants" / "shipmark-digits.service"
    assert path.read_text() == link.read_text() == text
    boot.disable(tmp_path, "digits", DIRECTORY)
    boot.disable(tmp_path, "digits", DIRECTORY)
    assert [each.name for each in tmp_path.rglob("*") if not each.is_dir()] == []


def test_the_unit_of_another_home_is_left_alone(tmp_path: Path) -> None:
    path = boot.enable(tmp_path, "digits", _unit(["/python"], {}))
    other = DIRECTORY.with_name("other")
    with pytest.raises(DeployError, match="another deployment of this name"):
        boot.check(tmp_path, "digits", other)
    boot.disable(tmp_path, "digits", other)
    assert path.exists()


@pytest.mark.needs("systemd-analyze")
def test_systemd_reads_it_without_a_complaint(tmp_path: Path) -> None:
    odd = tmp_path / 'a "strange" $HOME 100%s \\ name'
    odd.mkdir()
    program = odd / "python"
    program.symlink_to(sys.executable)
    text = _unit([str(program), "-P", "start"], {"SHIPMARK_HOME": str(odd), "PATH": "/usr/bin"})
    path = boot.enable(tmp_path, "digits", text)
    analyze = shutil.which("systemd-analyze")
    assert analyze is not None
    done = subprocess.run(
        [analyze, "--user", "verify", str(path)],
        env={"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "shipmark-digits" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr
