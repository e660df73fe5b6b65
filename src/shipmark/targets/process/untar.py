"""Unpack one layer, which may be hostile, into an empty directory that is ours alone.

Nothing outside the directory is touched: every name is checked, no link is followed, and what is
no file, directory or link is refused. Set-user-id bits are dropped; they would work on the host.
Whiteouts become overlay's own.

Source: OCI image specification, "Image Layer Filesystem Changeset"; overlayfs, "whiteouts and
opaque directories" with userxattr.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from shipmark.errors import DeployError
from shipmark.targets.process.tarstream import Member, NotATar, TarStream, Truncated

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_T = TypeVar("_T")
_NO_FOLLOW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Unpacker:
    """Writes the members of one layer below `root`.

    Args:
        root: An empty directory that nobody else writes to.
        spend: Called with the bytes that are about to be written; may raise.
    """

    def __init__(self, root: Path, spend: Callable[[int], None]) -> None:
        self._root = root
        self._spend = spend
        self._as_root = os.geteuid() == 0
        self._directories = {""}
        self._modes: list[tuple[Path, Member]] = []

    def unpack(self, stream: TarStream) -> None:
        """Write every member.

        Raises:
            DeployError: A member is refused, or it is no tar archive.
            OSError: The disk is full or refuses.
        """
        try:
            for member in stream:
                self._member(member, stream)
        except NotATar as error:
            raise DeployError(f"a layer is not a tar archive that can be read: {error}") from error
        except Truncated as error:
            raise DeployError("a layer ends in the middle of its tar archive") from error
        # Last and deepest first: writing into a directory changes its time.
        for path, member in reversed(self._modes):
            self._finish(path, member, mode=0o700 | member.mode)

    def _member(self, member: Member, stream: TarStream) -> None:
        name = _clean(member.name)
        parent, _, leaf = name.rpartition("/")
        if not name and member.kind != "directory":
            raise DeployError("a layer replaces its own root by a file")
        self._make_parents(parent, member.name)
        path = self._root / name
        if leaf.startswith(_WHITEOUT):
            self._whiteout(parent, leaf)
        elif member.kind == "directory":
            self._directory(name, path, member)
        elif member.kind == "file":
            self._file(name, path, member, stream)
        elif member.kind == "symlink":
            _refuse_text(member.target)
            self._place(name, path, lambda: path.symlink_to(member.target))
        elif member.kind == "hard link":
            self._hard_link(name, path, member)
        else:
            raise DeployError(
                f"a layer holds {member.name!r}, which is a device, a pipe or something stranger",
                hint="build the image without it: a sandbox has its own /dev",
            )

    def _make_parents(self, parent: str, member_name: str) -> None:
        if parent in self._directories:
            return
        above, _, _ = parent.rpartition("/")
        self._make_parents(above, member_name)
        try:
            (self._root / parent).mkdir(0o755)
        except FileExistsError:
            raise DeployError(
                f"a layer puts {member_name!r} below {parent!r}, which is not a directory"
            ) from None
        self._directories.add(parent)

    def _place(self, name: str, path: Path, make: Callable[[], _T]) -> _T:
        """Make what is no directory; the last of several entries of one name counts."""
        try:
            return make()
        except FileExistsError:
            if name in self._directories:
                raise DeployError(
                    f"a layer holds {name!r} both as a directory and as something else"
                ) from None
            path.unlink()
            return make()

    def _directory(self, name: str, path: Path, member: Member) -> None:
        if name not in self._directories:
            try:
                path.mkdir(0o755)
            except FileExistsError:
                raise DeployError(
                    f"a layer holds {name!r} both as a directory and as something else"
                ) from None
            self._directories.add(name)
        self._modes.append((path, member))

    def _file(self, name: str, path: Path, member: Member, stream: TarStream) -> None:
        self._spend(member.size)
        descriptor = self._place(name, path, lambda: os.open(path, _NO_FOLLOW, 0o600))
        try:
            for piece in stream.content():
                left = piece
                while left:
                    left = left[os.write(descriptor, left) :]
            self._finish(descriptor, member, mode=member.mode)
        finally:
            os.close(descriptor)

    def _hard_link(self, name: str, path: Path, member: Member) -> None:
        target = _clean(member.target)
        parent, _, _ = target.rpartition("/")
        source = self._root / target
        if parent not in self._directories or source.is_symlink() or not source.is_file():
            raise DeployError(
                f"a layer links {member.name!r} to {member.target!r}, which is no file before it"
            )
        if target != name:
            self._place(name, path, lambda: os.link(source, path, follow_symlinks=False))

    def _whiteout(self, parent: str, leaf: str) -> None:
        if leaf == _OPAQUE:
            os.setxattr(self._root / parent, "user.overlay.opaque", b"y")
            return
        hidden = leaf.removeprefix(_WHITEOUT)
        if hidden in {"", ".", ".."}:
            raise DeployError(f"a layer holds the whiteout {leaf!r}, which hides nothing")
        name = f"{parent}/{hidden}".lstrip("/")
        path = self._root / name
        self._place(name, path, lambda: os.mknod(path, stat.S_IFCHR, os.makedev(0, 0)))

    def _finish(self, file: int | Path, member: Member, *, mode: int) -> None:
        if self._as_root and (member.uid or member.gid):
            os.chown(file, member.uid, member.gid)
        os.chmod(file, mode & 0o1777)  # noqa: PTH101 - an open file or a path
        os.utime(file, (member.mtime, member.mtime))


def _clean(name: str) -> str:
    """The path below the root, without `./` and without a slash at the end."""
    _refuse_text(name)
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts:
        raise DeployError(f"a layer holds {name!r}, which would lie outside of it")
    return "/".join(parts)


def _refuse_text(name: str) -> None:
    if "\0" in name or not name:
        raise DeployError(f"a layer holds the name {name!r}")
