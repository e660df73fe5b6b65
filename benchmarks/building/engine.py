"""Docker's side: an engine of its own below a folder, and the client of the same release."""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.building.processes import Failed, Finished, run

_HERE = Path(__file__).parent
_ROOTFS = "shipmark-bench-rootfs"
_BASE = "shipmark-bench-base"
_PACKAGES = "python3.11,python3-pip,ca-certificates,libgomp1,libstdc++6"
_START_S = 60
PIP = "26.3"
"""Of the base; newer and quicker than Debian's."""


class Docker:
    """A client of one engine.

    Args:
        socket: Where the engine listens.
        engine: Its process.
        folder: Takes pip's settings and the base's files.
    """

    def __init__(self, socket: Path, engine: int, folder: Path) -> None:
        self.engine = engine
        self._folder = folder
        self._settings = folder / "pip.conf"
        self._edition = secrets.token_hex(8)
        # Debian's client, which comes with its engine; another on the path may know no BuildKit.
        debian = Path("/usr/bin/docker")
        self._client = str(debian) if debian.exists() else "docker"
        self._environment = {
            **os.environ,
            "DOCKER_HOST": f"unix://{socket}",
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(folder / "client"),
        }

    def call(self, *arguments: str) -> Finished:
        """Run the client."""
        return run([self._client, *arguments], self._environment)

    def build(self, context: Path, *options: str) -> Finished:
        """Build the image of a folder, called by its name.

        The build's network is the host's, and pip's settings stay outside the image.
        """
        return self.call(
            "build", "--network=host", "--progress=plain", f"--tag={context.name}",
            f"--secret=id=pip,src={self._settings}", f"--build-arg=EDITION={self._edition}",
            *options, str(context),
        )  # fmt: skip

    def forget(self) -> None:
        """Let nothing of earlier builds be taken up but the base and pip's cache."""
        self._edition = secrets.token_hex(8)

    def use_index(self, url: str | None) -> None:
        """Let pip ask this index in what is built from now on; None: PyPI."""
        lines = [
            "[global]",
            "break-system-packages = true",
            "disable-pip-version-check = true",
            "root-user-action = ignore",
            "trusted-host = 127.0.0.1",  # without it pip caches nothing that came by http
            *([f"index-url = {url}"] if url else []),
        ]
        self._settings.write_text("\n".join([*lines, ""]))
        self._settings.chmod(0o600)  # an index may have a password

    def prune(self) -> None:
        """Drop what earlier builds left and no image needs; pip's cache stays."""
        self.call("builder", "prune", "--force", "--filter=type=regular")

    def make_base(self) -> None:
        """Make the base image unless an earlier run did: Debian with Python and a current pip."""
        with suppress(Failed):
            self.call("image", "inspect", _BASE)
            return
        rootfs = self._folder / "rootfs.tar"
        if not rootfs.exists():
            run(
                ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", "bookworm",
                 str(rootfs)],
                os.environ,
            )  # fmt: skip
        self.call("import", str(rootfs), _ROOTFS)
        context = self._folder / _BASE
        context.mkdir(exist_ok=True)
        shutil.copy(_HERE / "base.Dockerfile", context / "Dockerfile")
        authorities = os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
        self.use_index(os.environ.get("PIP_INDEX_URL"))
        self.build(context, f"--build-arg=PIP={PIP}", f"--secret=id=ca,src={authorities}")

    @contextmanager
    def running(self, tag: str, port: int) -> Iterator[None]:
        """A container of an image, on the host's network."""
        name = self.call(
            "run", "--detach", "--network=host", f"--env=PORT={port}", tag
        ).output.strip()
        try:
            yield
        finally:
            self.call("rm", "--force", name)

    def versions(self) -> dict[str, str]:
        """The engine and what it uses."""
        server = json.loads(self.call("version", "--format={{json .Server}}").output)
        found = {part["Name"]: part["Version"] for part in server["Components"]}
        engine = found.pop("Engine")
        found.pop("docker-init", None)
        storage = self.call("info", "--format={{.Driver}}").output.strip()
        return {
            "Docker Engine": f"{engine} ({storage})",
            "BuildKit": f"the one inside Docker Engine {engine}",
            **found,
        }


@contextmanager
def engine(folder: Path) -> Iterator[Docker]:
    """Start an engine whose files, sockets and processes all lie below `folder`; end it after.

    Raises:
        Failed: It does not start; the message has its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    socket, log = folder / "socket", folder / "log"
    # Builds use the host's network, so it needs no bridge and leaves the firewall alone.
    command = [
        "dockerd", f"--host=unix://{socket}", f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}", f"--pidfile={folder / 'pid'}", "--bridge=none",
        "--iptables=false", "--ip-masq=false",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            docker = Docker(socket, process.pid, folder)
            _wait(docker, process, log)
            yield docker
        finally:
            process.terminate()
            process.wait(_START_S)
            # dockerd leaves this mount behind, and its folder could not be removed.
            mount = folder / "exec/netns/default"
            subprocess.run(["umount", mount], check=False, capture_output=True)


def _wait(docker: Docker, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(_START_S * 10):
        with suppress(Failed):
            docker.call("version")
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise Failed(f"dockerd did not start (it needs root):\n{log.read_text()}")
