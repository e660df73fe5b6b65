"""What both build: one package, and a Dockerfile that makes the same of it."""

import os
import shutil
from pathlib import Path

from shipmark.lock import server_wheel
from shipmark.lock.lock import Lock
from shipmark.oci.descriptor import canonical

HERE = Path(__file__).parent
_WEIGHTS = HERE.parents[1] / "examples" / "digits" / "digits.onnx"
_CHUNK_BYTES = 16 << 20
_LINE = "EDITION = 0"


class Workload:
    """A folder: the package in `app`, the Dockerfile, and what the lock chose in `locked`.

    Args:
        folder: Where it is made.
        ballast_bytes: Random weights beside the real ones.
    """

    def __init__(self, folder: Path, *, ballast_bytes: int = 0) -> None:
        self.folder = folder
        self.app = folder / "app"
        self._ballast_bytes = ballast_bytes
        self._changes = 0
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(HERE / "package", self.app)
        weights = self.app / "weights"
        weights.mkdir()
        shutil.copy(_WEIGHTS, weights)
        if ballast_bytes:
            self.change_weights()
        shutil.copy(HERE / "Dockerfile", folder)
        (folder / ".dockerignore").write_text("app/shipmark.lock\n")

    def change_code(self) -> None:
        """Change one line of the model's program."""
        self._changes += 1
        text = (HERE / "package" / "model.py").read_text()
        assert _LINE in text
        (self.app / "model.py").write_text(text.replace(_LINE, f"EDITION = {self._changes}"))

    def change_weights(self) -> None:
        """Write other random bytes into all of the ballast, and to the disk."""
        with (self.app / "weights" / "ballast.bin").open("wb") as stream:
            for begin in range(0, self._ballast_bytes, _CHUNK_BYTES):
                stream.write(os.urandom(min(_CHUNK_BYTES, self._ballast_bytes - begin)))

    def take_over(self, lock: Lock, platform: str) -> None:
        """Let Docker install what the lock chose."""
        folder = self.folder / "locked"
        folder.mkdir(exist_ok=True)
        server, data = server_wheel.build()
        (folder / server.filename).write_bytes(data)
        (folder / "model.json").write_bytes(canonical(lock.model))
        (folder / "requirements.txt").write_text(requirements(lock, platform))


def requirements(lock: Lock, platform: str) -> str:
    """The lines of a requirements.txt with the very wheels of the lock."""
    wheels = sorted(lock.platforms[platform].wheels, key=lambda wheel: wheel.name)
    lines = [f"{wheel.name}=={wheel.version}" for wheel in wheels]
    return "\n".join([*lines, f"/locked/{lock.server.filename}", ""])
