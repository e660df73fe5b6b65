"""The argument list of bubblewrap: what the model sees of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

USER = 65532
"""User and group inside, as in the image; as root on the host too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What the model is started with."""

    argv: Sequence[str]
    env: Mapping[str, str]
    workdir: str
    hostname: str
    network: bool
    scratch_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """Descriptors that bubblewrap inherits, beside the listening socket."""

    seccomp: int
    info: int
    """Written to and closed when it has forked."""
    block: int
    """It starts the model, last of all, when it has read a byte from here."""


def arguments(sandbox: Sandbox, root: str, descriptors: Descriptors) -> list[str]:
    """Options for `bwrap --args`, up to and without the command.

    They go through a descriptor because anyone on the host can read a command line, and the
    environment may hold secrets; and not as bubblewrap's own environment, where the image's
    LD_PRELOAD would run outside the sandbox.
    """
    scratch = ["--perms", "1777", "--size", str(sandbox.scratch_bytes), "--tmpfs"]
    options = [
        # --unshare-all alone would go on without a user namespace where there is none.
        "--unshare-all", "--unshare-user", *(["--share-net"] if sandbox.network else []),
        "--as-pid-1", "--die-with-parent", "--new-session",
        "--cap-drop", "ALL", "--uid", str(USER), "--gid", str(USER),
        "--hostname", sandbox.hostname,
        "--ro-bind", root, "/",
        "--proc", "/proc",
        "--dev", "/dev", *scratch, "/dev/shm", "--remount-ro", "/dev",  # noqa: S108 - in the sandbox
        *scratch, "/tmp",  # noqa: S108 - in the sandbox
        "--ro-bind-try", "/sys/devices/system/cpu", "/sys/devices/system/cpu",
        "--chdir", sandbox.workdir,
        "--clearenv",
    ]  # fmt: skip
    for key, value in sandbox.env.items():
        options += ["--setenv", key, value]
    return [
        *options,
        "--seccomp", str(descriptors.seccomp),
        "--info-fd", str(descriptors.info),
        "--block-fd", str(descriptors.block),
    ]  # fmt: skip
