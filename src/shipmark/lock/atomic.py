"""Small files that are there whole or not at all."""

import os
import tempfile
from pathlib import Path

from shipmark.store.disk import explained


def replace(path: Path, data: bytes) -> None:
    """Write `data` beside `path` and rename it there.

    Raises:
        ShipmarkError: The disk is full, or the folder cannot be written to.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        beside = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            beside.chmod(0o644)
            beside.rename(path)
        finally:
            beside.unlink(missing_ok=True)
