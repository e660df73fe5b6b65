"""The Debian packages of one build, each checked and unpacked once."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock as Mutex
from typing import Self

from shipmark import digest as digests
from shipmark.builders import deb as debs
from shipmark.builders.spool import Workspace
from shipmark.lock.lock import Deb
from shipmark.store import Store


class DebPool:
    """Reads packages from the store, several at once.

    The base and the build Python have packages in common: whoever asks second finds them unpacked.

    Args:
        store: Holds the packages under their digests.
        workspace: Must live as long as the entries are read.
        threads: How many packages are unpacked at once.
    """

    def __init__(self, store: Store, workspace: Workspace, threads: int) -> None:
        self._store = store
        self._workspace = workspace
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="deb")
        self._mutex = Mutex()
        self._reading: dict[str, Future[debs.Contents]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """Begin no more; whoever waits for a package that was not begun gets an error."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, packages: Sequence[Deb]) -> list[debs.Contents]:
        """What each package holds; may be called from any thread.

        Raises:
            DigestMismatch: A package in the store is not the one of the lock.
            BuildError: A package cannot be read.
        """
        with self._mutex:
            for package in packages:
                if package.sha256 not in self._reading:
                    self._reading[package.sha256] = self._pool.submit(self._unpack, package)
        return [self._reading[package.sha256].result() for package in packages]

    def _unpack(self, package: Deb) -> debs.Contents:
        digest = digests.from_hex(package.sha256)
        self._store.verify(digest)
        with self._store.open(digest) as stream:
            return debs.read(stream, f"{package.name} {package.version}", self._workspace.spool())
