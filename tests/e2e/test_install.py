"""`pip install .` in a fresh environment gives a command that works anywhere."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.network


def test_pip_install(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True, timeout=120)
    subprocess.run([venv / "bin" / "pip", "install", "--quiet", ROOT], check=True, timeout=280)

    helped = subprocess.run(
        [venv / "bin" / "shipmark", "--help"], cwd="/", capture_output=True, text=True, check=True
    )
    wheel = "from shipmark.lock import server_wheel; print(server_wheel.build()[0].sha256)"
    installed, checked_out = (
        subprocess.run(
            [python, "-c", wheel], cwd="/", capture_output=True, text=True, check=True
        ).stdout
        for python in (venv / "bin" / "python", sys.executable)
    )

    assert "shipmark up" in helped.stdout
    assert installed == checked_out
