"""Whether bubblewrap is there, understands its options, and can make a sandbox."""

import os
import subprocess

from shipmark.doctor.finding import Finding
from shipmark.targets.process import host, overlay, sandbox, seccomp
from shipmark.targets.process.sandbox import Descriptors, Sandbox

_TIMEOUT_S = 8.0


def check() -> Finding:
    """Start it around itself with the options of a deployment."""
    program = host.bubblewrap()
    version = _said(subprocess.run([program, "--version"], **_QUIETLY)) or program
    done = _start(program)
    if done.returncode != 0:
        return Finding.failed(
            f"{version} does not start: {_said(done) or f'status {done.returncode}'}",
            mend="apt install --only-upgrade bubblewrap, where it does not know an option; where "
            "it may not make namespaces, see the check `namespaces`",
        )
    return Finding.ok(f"{version} ({program}) starts")


_QUIETLY = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.STDOUT,
    "timeout": _TIMEOUT_S,
    "check": False,
}


def _start(program: str) -> "subprocess.CompletedProcess[bytes]":
    box = Sandbox(
        argv=(program, "--version"),
        env={},
        workdir="/",
        hostname="doctor",
        network=False,
        scratch_bytes=1 << 20,
    )
    info_read, info = os.pipe()
    block, block_write = os.pipe()
    filter_fd = os.memfd_create("seccomp")
    descriptors = Descriptors(seccomp=filter_fd, info=info, block=block)
    try:
        os.write(filter_fd, seccomp.program(host.architecture(), network=False))
        os.lseek(filter_fd, 0, os.SEEK_SET)
        os.write(block_write, b"!")
        # As a deployment's: never as root.
        user = sandbox.USER if overlay.can_drop_root() else None
        return subprocess.run(
            [program, *sandbox.arguments(box, "/", descriptors), *box.argv],
            pass_fds=(filter_fd, info, block),
            user=user,
            group=user,
            extra_groups=None if user is None else (),
            cwd="/",
            **_QUIETLY,
        )
    finally:
        for descriptor in (info_read, info, block, block_write, filter_fd):
            os.close(descriptor)


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
