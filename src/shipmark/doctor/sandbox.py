"""Whether a whole sandbox comes to be, from its control group to the start of the model."""

import os
import select
import socket
import sys
from pathlib import Path

from shipmark.deploy.limits import Limits
from shipmark.doctor.finding import Finding
from shipmark.doctor.folders import scratch
from shipmark.doctor.trial import refusal, tried
from shipmark.errors import ShipmarkError
from shipmark.targets.process import cgroup, host, launch, seccomp
from shipmark.targets.process.sandbox import Sandbox

_MODEL = "/there-is-no-model"
_WAIT_S = 6.0


def check(store: Path) -> Finding:
    """Start one as `shipmark up` does, of an image that holds nothing."""
    try:
        with scratch(store) as layer:
            layer.chmod(0o755)  # it becomes the root directory, which user 65532 walks through
            refused = refusal(__name__, str(layer))
    except ShipmarkError as error:
        return Finding.warning(
            f"not tried: {error.message}", mend="mend what the check `disk` says first"
        )
    if refused:
        return Finding.failed(
            f"a sandbox cannot be made: {refused}",
            mend="mend what the checks `namespaces`, `bubblewrap`, `overlay` and `seccomp` say; "
            "where they are content, please report this line",
        )
    return Finding.ok("an empty sandbox is made and ends")


def _try() -> None:
    groups = cgroup.make(cgroup.find(), f"doctor-{os.getpid()}", Limits())
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            running = launch.start(
                launch.Recipe(
                    box=Sandbox(
                        argv=(_MODEL,),
                        env={},
                        workdir="/",
                        hostname="doctor",
                        network=False,
                        scratch_bytes=1 << 20,
                    ),
                    layers=(sys.argv[1],),
                    limits=Limits(),
                    groups=groups,
                    limit_processes=host.counts_processes_apart() and "processes" not in groups.by,
                    listener=listener.fileno(),
                    filter=seccomp.program(host.architecture(), network=False),
                    bubblewrap=host.bubblewrap(),
                )
            )
        ended, _, _ = select.select([running.monitor_fd], [], [], _WAIT_S)
        if not ended:
            raise OSError(f"it was made and did not end within {_WAIT_S:g} s")
        said = os.read(running.output, 4096).decode(errors="replace").strip()
        _, complete = running.close()
        # Only a complete sandbox comes so far as to miss its program.
        if not complete or _MODEL not in said:
            raise OSError(said or "bubblewrap ended and said nothing")
    finally:
        cgroup.remove(groups.paths)


if __name__ == "__main__":
    sys.exit(tried(_try))
