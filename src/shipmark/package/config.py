"""`shipmark.toml`: every key, its type and its default."""

from typing import Annotated

from msgspec import Meta

from shipmark_serve.contract.model import ServeSettings
from shipmark_serve.contract.records import Record


class ModelTable(Record, frozen=True, kw_only=True):
    """`[model]`: what it is called and where it starts."""

    name: str | None = None
    version: str | None = None
    entry: str | None = None
    runtime: str | None = None


class WeightsTable(Record, frozen=True, kw_only=True):
    """`[weights]`: a file or directory of the package, versioned apart from the code."""

    path: str | None = None
    version: str | None = None


class PythonTable(Record, frozen=True, kw_only=True):
    """`[python]`: the minor version of the image's Python, and requirements."""

    version: str | None = None
    requires: tuple[str, ...] = ()


class ImageTable(Record, frozen=True, kw_only=True):
    """`[image]`: a Debian suite, or a base image by digest."""

    base: str | None = None
    suite: str = "bookworm"


class SystemTable(Record, frozen=True, kw_only=True):
    """`[system]`: more Debian packages."""

    packages: tuple[str, ...] = ()


class ResourcesTable(Record, frozen=True, kw_only=True):
    """`[resources]`: what a replica may use. `memory` is like `512M` or `2G`."""

    cpus: Annotated[float, Meta(gt=0)] | None = None
    memory: str | None = None
    gpus: Annotated[int, Meta(ge=0)] | None = None


class ValidateTable(Record, frozen=True, kw_only=True):
    """`[validate]`: a data set, a metric and the threshold that a version must reach."""

    data: str
    metric: str
    threshold: float


class Config(Record, frozen=True, kw_only=True):
    """The whole file."""

    model: ModelTable = ModelTable()
    weights: WeightsTable = WeightsTable()
    python: PythonTable = PythonTable()
    image: ImageTable = ImageTable()
    system: SystemTable = SystemTable()
    serve: ServeSettings = ServeSettings()
    resources: ResourcesTable = ResourcesTable()
    env: dict[str, str] = {}
    validate: ValidateTable | None = None
