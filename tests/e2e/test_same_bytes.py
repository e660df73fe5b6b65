"""The same files give the same digest, whoever builds them, where, when and from what.

Each example is built twice. Between the two differ: the directory, the user, the umask, the time
zone, the locale, PYTHONHASHSEED, the times and order of the files, the clock, and the form (a
clone and a zip). The store is empty each time; only downloads are kept. Locks are made apart as
well. The clock is faked while Shipmark builds, when everything is there and neither TLS nor the
validity of an index is asked for.
"""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import EXAMPLES, CommandLine, environment

pytestmark = [
    pytest.mark.network,
    pytest.mark.sandbox,
    pytest.mark.needs("faketime", "git", "unshare"),
]


@pytest.mark.parametrize("example", ["digits", "sentiment", "iris.onnx", "breast-cancer"])
def test_two_users_get_one_digest(example: str, tmp_path: Path, download_cache: Path) -> None:
    files = _committed(example)
    alice = CommandLine(
        environment(tmp_path / "alice", download_cache)
        | {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0"},
        umask=0o022,
    )
    bob = CommandLine(
        environment(tmp_path / "far" / "away" / "bob", download_cache)
        | {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "4711", "USER": "bob"},
        prefix=("unshare", "--user", "--map-user=4711", "--map-group=4711"),
        umask=0o077,
    )

    clone = _as_clone(files, tmp_path / "alice" / "clone", example)
    archive = _as_zip(files, tmp_path / "far" / "away" / "bob", example)
    first = _build(alice, clone, clock="2027-02-03 04:05:06")
    second = _build(bob, archive, clock="2033-12-31 23:59:58")

    assert first["manifests"] == second["manifests"]
    assert first["digest"] == second["digest"]


def _committed(example: str) -> dict[str, Path]:
    """The example's files as a clone has them: path in the package -> file."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "."],
        cwd=EXAMPLES,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    if example.endswith(".onnx"):
        wanted = {example, example.replace(".onnx", ".golden.json")}
        return {path: EXAMPLES / path for path in tracked if path in wanted}
    return {
        path.removeprefix(f"{example}/"): EXAMPLES / path
        for path in tracked
        if path.startswith(f"{example}/")
    }


def _as_clone(files: dict[str, Path], folder: Path, example: str) -> Path:
    root = folder if example.endswith(".onnx") else folder / example
    for path, file in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        os.utime(target, (1_000_000_000, 1_000_000_000))
    return root / example if example.endswith(".onnx") else root


def _as_zip(files: dict[str, Path], folder: Path, example: str) -> Path:
    folder.mkdir(parents=True)
    archive = folder / f"{example.removesuffix('.onnx')}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for path, file in reversed(files.items()):
            info = zipfile.ZipInfo(path, date_time=(2031, 5, 6, 7, 8, 10))
            info.external_attr = 0o600 << 16
            writer.writestr(info, file.read_bytes())
    return archive


def _build(user: CommandLine, package: Path, *, clock: str) -> Any:
    user.ok("lock", package)
    later = CommandLine(user.environ, prefix=(*user.prefix, "faketime", clock), umask=user.umask)
    return later.json("build", "--locked", package)
