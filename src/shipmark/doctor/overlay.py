"""Whether layers can be mounted over each other, in a namespace of their own."""

import os
import sys
from pathlib import Path

from shipmark.doctor.finding import Finding
from shipmark.doctor.folders import file_system, scratch
from shipmark.doctor.trial import refusal, tried
from shipmark.errors import ShipmarkError
from shipmark.store.disk import explained
from shipmark.targets.process import linux, overlay


def check(store: Path) -> Finding:
    """Mount two layers that lie on the store's file system, as a deployment's are."""
    kind = file_system(store) or "an unknown file system"
    try:
        with scratch(store) as folder:
            with explained(folder):
                for layer in ("lower", "upper"):
                    (folder / layer / f"of-{layer}").mkdir(parents=True)
            refused = refusal(__name__, str(folder / "lower"), str(folder / "upper"))
    except ShipmarkError as error:
        return Finding.warning(
            f"not tried: {error.message}", mend="mend what the check `disk` says first"
        )
    if refused:
        return Finding.failed(
            f"overlay mounts on {kind} are refused: {refused}",
            mend="they need Linux 5.11 (modprobe overlay where it is a module) and an ordinary "
            "file system below the store: set SHIPMARK_HOME to a folder on ext4, xfs or btrfs; "
            "in a container, they must be allowed",
        )
    return Finding.ok(f"layers on {kind} can be mounted over each other")


def _try() -> None:
    layers = sys.argv[1:]
    user, group = os.geteuid(), os.getegid()
    namespaces = linux.CLONE_NEWNS | linux.CLONE_NEWPID
    if not overlay.can_drop_root():
        namespaces |= linux.CLONE_NEWUSER
    child = linux.fork_into(namespaces)
    if child == 0:
        said = tried(lambda: _mount(layers, user, group))
        if said:
            os.write(2, said.encode())
        os._exit(1 if said else 0)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(1)


def _mount(layers: list[str], user: int, group: int) -> None:
    overlay.settle(user, group)
    root = Path(overlay.mount_image(layers, network=False))
    for layer in layers:
        if not (root / f"of-{Path(layer).name}").is_dir():
            raise OSError(f"the mount does not show the files of the {Path(layer).name} layer")


if __name__ == "__main__":
    sys.exit(tried(_try))
