"""The server's wheel has the same bytes wherever Shipmark is installed, and is a real wheel."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

from packaging.utils import parse_wheel_filename

from shipmark.lock import server_wheel


def test_its_record_names_every_file_by_hash() -> None:
    wheel, data = server_wheel.build()
    assert (wheel.sha256, wheel.size) == (hashlib.sha256(data).hexdigest(), len(data))
    name, version, _, _ = parse_wheel_filename(wheel.filename)
    assert (name, str(version)) == ("shipmark-serve", wheel.version)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        folder = f"shipmark_serve-{wheel.version}.dist-info"
        record = archive.read(f"{folder}/RECORD").decode().splitlines()
        assert [line.split(",")[0] for line in record] == archive.namelist()
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.external_attr >> 16 == 0o100644
            assert "__pycache__" not in info.filename
        assert "shipmark_serve/py.typed" in archive.namelist()
        assert "shipmark_serve/contract/model.py" in archive.namelist()


def test_its_requirements_are_those_of_its_metadata() -> None:
    assert any(line.startswith("uvicorn==") for line in server_wheel.requirements())


def test_a_copy_elsewhere_with_other_times_modes_and_bytecode_gives_the_same_bytes(
    tmp_path: Path,
) -> None:
    for package in ("shipmark", "shipmark_serve"):
        with resources.as_file(resources.files(package)) as source:
            shutil.copytree(
                source, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
            )
    for path in tmp_path.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        if path.is_file():
            path.chmod(0o600)
    program = (
        "import shipmark_serve, shipmark.lock.server_wheel as w; "
        "print(shipmark_serve.__file__); print(w.build()[0].sha256)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    place, sha256 = done.stdout.split()
    assert place.startswith(str(tmp_path))
    assert list(tmp_path.rglob("__pycache__"))
    assert sha256 == server_wheel.build()[0].sha256
