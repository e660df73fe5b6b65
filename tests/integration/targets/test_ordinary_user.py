"""Everything about the process target holds for an ordinary user as well as for root."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import shipmark

pytestmark = pytest.mark.sandbox

_USER = 65534
_SUITES = ("test_process_target.py", "test_sandbox.py")


def test_everything_as_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same tests again, in a process that gave up root for good."""
    if os.geteuid() != 0:
        return  # they ran as one already
    # Interpreter, libraries and tests may lie where that user cannot go: they are bound elsewhere,
    # in a mount namespace that ends with the process.
    here = Path("/tmp") / f"shipmark-test-{os.getpid()}"
    site = Path(pytest.__file__).parent.parent
    tests = Path(__file__).parents[3]
    sources = Path(shipmark.__file__).parent.parent
    binds = {"python": Path(sys.base_prefix), "site": site, "repository": tests, "src": sources}
    mounts = "".join(f'mount --bind "{path}" "$0/{name}" && ' for name, path in binds.items())
    script = (
        f'{mounts} cd "$0/own" && '
        f"exec setpriv --reuid {_USER} --regid {_USER} --clear-groups --no-new-privs "
        f'"$0/python/bin/python3" -B -m pytest -q -c pytest.ini --rootdir "$0/own" '
        '-p no:cacheprovider --import-mode=importlib --basetemp "$0/own/tmp" "$@"'
    )
    here.mkdir(mode=0o755)
    try:
        for name in (*binds, "own"):
            (here / name).mkdir(mode=0o755)
        os.chown(here / "own", _USER, _USER)
        (here / "own" / "pytest.ini").write_text("[pytest]\nmarkers = sandbox\n")
        done = subprocess.run(
            [
                "unshare", "--mount", "sh", "-c", script, str(here),
                *(str(here / "repository" / "tests/integration/targets" / name)
                  for name in _SUITES),
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(here / "own"),
                "PYTHONHOME": str(here / "python"),
                "PYTHONPATH": f"{here}/src:{here}/repository:{here}/site",
            },
            capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
    finally:
        shutil.rmtree(here)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
