"""Package -> Lock: everything that determines the bytes of an image."""

from shipmark.lock.lock import Deb, Lock, PlatformLock, Wheel

__all__ = ["Deb", "Lock", "PlatformLock", "Wheel"]
