"""The server's settings; the one place of the server that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from shipmark_serve import determinism
from shipmark_serve.contract.errors import LoadFailed
from shipmark_serve.contract.model import IMAGE_DESCRIPTION, IMAGE_ROOT, Model, ServeSettings
from shipmark_serve.contract.records import Record
from shipmark_serve.tracing import Traces

_PREFIX = "SHIPMARK_"
R = TypeVar("R", bound=Record)


class ServerSettings(Record, frozen=True, kw_only=True):
    """Where the model is, where to listen, and when to give up; each is `SHIPMARK_<KEY>`.

    `port` is `PORT`, as the platforms that start containers call it.
    """

    model: str = IMAGE_DESCRIPTION
    root: str = IMAGE_ROOT
    host: str = "0.0.0.0"  # noqa: S104 - a container is reached from outside
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    listen_fd: Annotated[str, Meta(pattern=r"^[0-9]+(,[0-9]+)*$")] | None = None
    """An inherited, listening TCP socket, or one for each worker, with commas between; host and
    port are then not used."""
    cpus: Annotated[float, Meta(gt=0)] | None = None
    """Processors' worth of time that were granted, where the control group is out of sight."""
    grace_s: Annotated[int, Meta(ge=0)] = 8
    """How long requests in flight may take after SIGTERM."""
    max_connections: Annotated[int, Meta(ge=1)] = 4096
    """Beyond it, only questions for health are answered."""
    max_header_bytes: Annotated[int, Meta(ge=256)] = 32768
    """The longest head of a request."""
    header_timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    """How long a head may take to arrive, from its first byte."""
    keep_alive_s: Annotated[int, Meta(ge=1)] = 75
    """How long a connection may be idle."""
    heartbeat_timeout_s: Annotated[float, Meta(gt=0)] = 30.0
    """How long the event loop may be silent before the watchdog kills the server."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    access_log: bool = False
    """Whether each request is a line of the log."""
    tokens_file: str | None = None
    """Digests of the tokens that are let in; None lets in everybody."""
    metrics: Literal["open", "guarded", "off"] = "open"
    """Whether /metrics is answered to everybody, to those who have a token, or not at all."""

    @property
    def listen_fds(self) -> tuple[int, ...]:
        """The inherited sockets."""
        return tuple(map(int, self.listen_fd.split(","))) if self.listen_fd else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the server is told: by the environment, and by the model's description."""

    server: ServerSettings
    serve: ServeSettings
    traces: Traces
    model: Model
    root: Path
    weights: Path | None
    """`MODEL_PATH`, else the description's weights below the root."""


def from_environment() -> Settings:
    """Read the environment of this process, and set in it what the model's own code should find.

    That is `MODEL_PATH`, and that onnxruntime sends nothing to its makers: its own call for that
    comes too late, since it has reported its start by then.

    Raises:
        LoadFailed: A setting or the model's description is not right.
    """
    environ = os.environ  # noqa: TID251 - here they come in
    settings = read(environ)
    environ["ORT_DISABLE_TELEMETRY"] = "1"
    if settings.serve.deterministic:
        determinism.one_thread(environ)
    if settings.weights is not None:
        environ["MODEL_PATH"] = str(settings.weights)
    return settings


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings, and the model's description that they name.

    Raises:
        LoadFailed: A setting or the description is not right.
    """
    server = _with_environment(ServerSettings(), environ)
    model = _read_model(Path(server.model))
    root = Path(server.root).resolve()
    path = environ.get("MODEL_PATH") or model.weights
    return Settings(
        server=server,
        serve=_with_environment(model.serve, environ),
        traces=_with_environment(Traces(), environ, "OTEL_"),
        model=model,
        root=root,
        weights=None if path is None else (root / path).resolve(),
    )


def _with_environment(record: R, environ: Mapping[str, str], prefix: str = _PREFIX) -> R:
    for key in record.__struct_fields__:
        variable = "PORT" if key == "port" else f"{prefix}{key.upper()}"
        value = environ.get(variable)
        if not value:
            continue
        try:
            changed = msgspec.convert({key: value}, type(record), strict=False)
        except msgspec.ValidationError as error:
            raise LoadFailed(f"the setting {variable}={value} is not right: {error}") from error
        record = msgspec.structs.replace(record, **{key: getattr(changed, key)})
    return record


def _read_model(path: Path) -> Model:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Model)
    except OSError as error:
        raise LoadFailed(
            f"cannot read the model's description {path}: {error.strerror}",
            hint="set SHIPMARK_MODEL to its path",
        ) from error
    except msgspec.DecodeError as error:
        raise LoadFailed(
            f"the model's description {path} is not one of this server's: {error}",
            hint="build the image again: it was made for another version of shipmark-serve",
        ) from error
