"""Nothing of Debian is needed on the host, and a host that cannot build says so at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine
from tests.e2e.harbour import Harbour, harbour

pytestmark = [pytest.mark.network]

OBSERVE = """
import os, sys
log = os.open(os.environ["OBSERVED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def hook(event, arguments):
    if event == "subprocess.Popen":
        os.write(log, f"program {os.fspath(arguments[0])}\\n".encode())
    elif event == "open" and str(arguments[0]).startswith(("/var/lib/", "/etc/", "/usr/share/")):
        os.write(log, f"file {arguments[0]}\\n".encode())
sys.addaudithook(hook)
"""
"""As sitecustomize: tells which programs are started and which files of the system are opened."""

MACOS = """
import os, platform, resource, sys, sysconfig, types
sysconfig.get_config_vars()
sys.platform = "darwin"
sys.modules["_scproxy"] = types.ModuleType("_scproxy")
sys.modules["_scproxy"]._get_proxies = sys.modules["_scproxy"]._get_proxy_settings = dict
platform.system = lambda: "Darwin"
platform.machine = lambda: "arm64"
of_linux = {
    os: ["memfd_create", "pidfd_open", "sched_getaffinity", "setxattr", "getxattr", "O_PATH"],
    resource: ["prlimit"],
}
for module, names in of_linux.items():
    for name in names:
        delattr(module, name)
"""
"""As sitecustomize: what Python lacks on macOS is lacking, and it calls itself so."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, download_cache: Path) -> Iterator[Harbour]:
    with harbour(tmp_path_factory.mktemp("hosts"), download_cache) as here:
        yield here


def _with_sitecustomize(port: Harbour, folder: Path, text: str, **settings: str) -> CommandLine:
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(text)
    return CommandLine(port.line.environ | {"PYTHONPATH": str(folder)} | settings)


def test_no_program_of_the_host_is_started_and_no_file_of_apt_read(
    port: Harbour, tmp_path: Path
) -> None:
    observed = tmp_path / "observed"
    user = _with_sitecustomize(
        port,
        tmp_path / "site",
        OBSERVE,
        PATH=str(tmp_path / "no-programs"),
        OBSERVED=str(observed),
        SHIPMARK_HOME=str(tmp_path / "home"),
    )
    port.lock_path.unlink()

    user.ok("lock", port.package)
    built = user.json("build", port.package)

    assert built["digest"] == port.built["digest"]
    lines = [line.split(" ", 1) for line in observed.read_text().splitlines()]
    programs = {Path(name).name for kind, name in lines if kind == "program"}
    (loader,) = programs - {"uv"}
    assert loader.startswith("ld-linux-"), "of the lock's own Python"
    files = {name for kind, name in lines if kind == "file"}
    of_debian = ("/var/lib/dpkg", "/var/lib/apt", "/etc/apt", "/usr/share/keyrings")
    assert not [name for name in files if name.startswith(of_debian)]


def test_macos_locks_and_says_at_once_that_it_cannot_build(port: Harbour, tmp_path: Path) -> None:
    user = _with_sitecustomize(port, tmp_path / "site", MACOS, SHIPMARK_HOME=str(tmp_path / "home"))
    port.lock_path.unlink()

    user.ok("check", "--static", port.package)
    locked = user.json("lock", port.package, "--platform", "linux/amd64")
    port.server.requests.clear()
    done = user.run("build", "--locked", port.package)

    assert locked["platforms"] == ["linux/amd64"]
    assert done.returncode == 9, done.stderr
    assert "Debian's Python runs on Linux, not darwin" in done.stderr
    assert "in a Linux container or virtual machine" in done.stderr
    assert port.server.requests == [], "nothing is downloaded in vain"
    port.line.ok("build", "--locked", port.package)


def test_macos_locks_the_same_as_linux(port: Harbour, tmp_path: Path) -> None:
    there = port.line.json("lock", port.package)
    user = _with_sitecustomize(port, tmp_path / "site", MACOS, SHIPMARK_HOME=str(tmp_path / "home"))
    port.lock_path.unlink()

    here = user.json("lock", port.package, "--platform", "linux/amd64")

    assert here["digest"] == there["digest"]
