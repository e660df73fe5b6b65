"""What a server must know of the model it serves: one JSON file, written into every image."""

from typing import Annotated

from msgspec import Meta

from shipmark_serve.contract.records import Record
from shipmark_serve.contract.schema import Schema

FORMAT = 1
"""Revision of the description; a server refuses one it does not know."""

IMAGE_ROOT = "/app"
"""Where the package's files (code and weights) lie in an image."""

IMAGE_DESCRIPTION = "/etc/shipmark/model.json"
"""Where the description lies in an image."""


class ServeSettings(Record, frozen=True, kw_only=True):
    """The `[serve]` table; every key can be set at start as `SHIPMARK_<KEY>`.

    None means: the server chooses and prints what it chose.
    """

    max_batch_size: Annotated[int, Meta(ge=1)] | None = None
    max_wait_ms: Annotated[float, Meta(ge=0)] | None = None
    timeout_s: Annotated[float, Meta(gt=0)] = 60.0
    queue_limit: Annotated[int, Meta(ge=0)] = 1024
    max_body_bytes: Annotated[int, Meta(ge=0)] = 64 * 1024 * 1024
    workers: Annotated[int, Meta(ge=1)] | None = None
    processes: Annotated[int, Meta(ge=0)] | None = None
    """Inference processes; 0: none."""
    threads: Annotated[int, Meta(ge=0)] | None = None
    """Inference threads; 0 is the event loop itself."""
    deterministic: bool = False
    """Whether equal requests get equal bits, at the price of speed."""


class Model(Record, frozen=True, kw_only=True):
    """The description of one model version.

    Paths are relative to the root of the package (`/app` in an image), with forward slashes.
    """

    format: int = FORMAT
    name: str
    version: str
    """Code version + weights version, for example `1.0.3-w2026.11`."""
    code_digest: str
    weights_digest: str | None = None
    runtime: str
    """Name in the plug-in family `runtime`: python, onnx, sklearn."""
    entry: str | None = None
    """The python file that holds `init` and `predict`; None where there is no code."""
    weights: str | None = None
    """The weights file or directory; None where the package has none."""
    golden: tuple[str, ...] = ()
    """Golden record files."""
    schema: Schema | None = None
    """What `predict` takes and gives, where it could be read without running anything."""
    serve: ServeSettings = ServeSettings()
