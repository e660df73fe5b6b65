"""Whether bubblewrap is there, understands its options, and can make a sandbox."""

import os
import subprocess
from contextlib import ExitStack

from shipmark.doctor.finding import Finding
from shipmark.targets.process import host, overlay, sandbox, seccomp
from shipmark.targets.process.sandbox import Descriptors, Sandbox

_TIMEOUT_S = 8.0


def check() -> Finding:
    """Start it around itself with the options of a deployment."""
    program = host.bubblewrap()
    status, said = _run([program, "--version"])
    version = said if status == 0 else f"bubblewrap ({program})"
    status, said = _start(program)
    if status != 0:
        return Finding.failed(
            f"{version} does not start: {said or f'status {status}'}",
            mend="where it may not make namespaces, see the check `namespaces`; where it does not "
            "know an option, install a newer one: apt install bubblewrap",
        )
    return Finding.ok(f"{version} ({program})")


def _start(program: str) -> tuple[int, str]:
    box = Sandbox(
        argv=(program, "--version"),
        env={},
        workdir="/",
        hostname="doctor",
        network=False,
        scratch_bytes=1 << 20,
    )
    with ExitStack() as cleanup:
        _, info_end = _pipe(cleanup)
        block, block_end = _pipe(cleanup)
        os.write(block_end, b"!")
        filter_fd = os.memfd_create("seccomp")
        cleanup.callback(os.close, filter_fd)
        os.write(filter_fd, seccomp.program(host.architecture(), network=False))
        os.lseek(filter_fd, 0, os.SEEK_SET)
        inherited = Descriptors(seccomp=filter_fd, info=info_end, block=block)
        return _run(
            [program, *sandbox.arguments(box, "/", inherited), *box.argv],
            inherited=(filter_fd, info_end, block),
        )


def _run(command: list[str], *, inherited: tuple[int, ...] = ()) -> tuple[int, str]:
    """Exit status and last line; as the user of deployments, which is never root."""
    user = sandbox.USER if overlay.can_drop_root() else None
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=inherited,
        user=user,
        group=user,
        extra_groups=None if user is None else (),
        cwd="/",
        timeout=_TIMEOUT_S,
        check=False,
    )
    said = done.stdout.strip().splitlines()
    return done.returncode, said[-1] if said else ""


def _pipe(cleanup: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        cleanup.callback(os.close, end)
    return ends
