"""The image's root: its layers as one read-only overlay, in a mount namespace of our own.

Nothing is ever mounted in the host's namespace, so there is nothing to clean up: the mount goes
with the last process that sees it.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from shipmark.targets.process import linux
from shipmark.targets.process.sandbox import USER

# Present on any Linux, and traversable for user 65532 even where the store is below /root.
_PLACES = ("/mnt", "/media", "/srv")
_MOUNT_POINTS = ("proc", "dev", "tmp", "etc", "sys/devices/system/cpu")
_RESOLVER = Path("/etc/resolv.conf")


def can_drop_root() -> bool:
    """Whether we are root and may become user 65532, who must exist in our user namespace."""
    if os.geteuid() != 0:
        return False
    ranges = [
        tuple(map(int, line.split()))
        for line in Path("/proc/self/uid_map").read_text("ascii").splitlines()
    ]
    return any(first <= USER < first + count for first, _, count in ranges)


def settle(user: int, group: int) -> None:
    """In new namespaces: become their root, and leave the host's mounts alone.

    Args:
        user: Who we were outside, where there is a new user namespace too.
        group: The same.
    """
    if os.geteuid() != 0:
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", "ascii")
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)


def mount_image(layers: Sequence[str], *, network: bool) -> str:
    """Mount the layers over each other and tell where.

    Args:
        layers: Directories, lowest first.
        network: Whether the host's resolver settings show in place of the image's.

    Raises:
        OSError: The kernel refuses overlay mounts here.
        ValueError: A place that the sandbox mounts over is not a directory in the image.
    """
    # Opened first: the place may cover the store. Named by short links in a tmpfs, because all
    # lower directories must fit into one page of mount options, and a path would be seen inside.
    opened = [os.open(layer, os.O_PATH | os.O_DIRECTORY) for layer in reversed(layers)]
    place = next(place for place in _PLACES if Path(place).is_dir())
    hidden = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("shipmark", place, "tmpfs", hidden, "mode=755,size=1m")
    os.chdir(place)
    for index, descriptor in enumerate(opened):
        Path(str(index)).symlink_to(f"/proc/self/fd/{descriptor}")
    lowest = Path("lowest")
    for point in _MOUNT_POINTS:
        (lowest / point).mkdir(parents=True)
    lower = [*(str(index) for index in range(len(opened))), "lowest"]
    if network and _RESOLVER.exists():
        settings = Path("highest") / "etc" / "resolv.conf"
        settings.parent.mkdir(parents=True)
        settings.write_bytes(_RESOLVER.read_bytes())
        lower.insert(0, "highest")
    root = Path("root")
    root.mkdir()
    options = f"lowerdir={':'.join(lower)},userxattr"
    linux.mount("shipmark", "root", "overlay", hidden | linux.MS_RDONLY, options)
    for descriptor in opened:
        os.close(descriptor)
    for point in ("proc", "dev", "tmp"):
        if (root / point).is_symlink() or not (root / point).is_dir():
            raise ValueError(f"/{point} of the image is not a directory")
    return f"{place}/root"


def drop_root() -> None:
    """Become user 65532 for good, where we are root."""
    if os.geteuid() == 0 and can_drop_root():
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
