"""The servers that Shipmark is measured beside: what each needs, and how it is started."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving import ask
from benchmarks.serving.ask import Ask
from benchmarks.serving.models import Model

_HERE = Path(__file__).parent / "peers"
_RUNTIME = ("onnxruntime==1.31.1", "numpy==2.4.6")
_LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a server is started."""

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a server is started with."""

    bin: Path
    """Of its virtual environment."""
    model: Model
    port: int
    folder: Path
    """Its own, empty at first; it works there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One server."""

    name: str
    title: str
    about: str
    requirements: tuple[str, ...]
    """Pinned; the first is the server itself."""
    start: Callable[[Setting], Command]
    asks: Callable[[Model], tuple[Ask, ...]]
    models: tuple[str, ...] = ("iris", "mlp", "conv")
    ready_s: float = 60.0


def _python(setting: Setting) -> str:
    return str(setting.bin / "python")


def _copied(setting: Setting, script: str, name: str | None = None) -> str:
    shutil.copy(_HERE / script, setting.folder / (name or script))
    return name or script


def _fastapi(setting: Setting) -> Command:
    _copied(setting, "fastapi_server.py")
    arguments = (
        _python(setting), "-m", "uvicorn", "fastapi_server:app", "--host", _LOCAL,
        "--port", str(setting.port), "--no-access-log", "--log-level", "warning",
    )  # fmt: skip
    return Command(
        arguments=arguments, environment={"BENCH_RANK": str(1 + len(setting.model.shape))}
    )


def _flask(setting: Setting) -> Command:
    _copied(setting, "flask_server.py")
    arguments = (
        _python(setting), "-m", "gunicorn", "--workers", "2", "--bind",
        f"{_LOCAL}:{setting.port}", "--log-level", "warning", "flask_server:app",
    )  # fmt: skip
    return Command(arguments=arguments)


def _litserve(setting: Setting) -> Command:
    return Command(arguments=(_python(setting), _copied(setting, "litserve_server.py")))


def _bentoml(setting: Setting) -> Command:
    _copied(setting, "bentoml_server.py")
    arguments = (
        _python(setting), "-m", "bentoml", "serve", "bentoml_server:Model", "--host", _LOCAL,
        "--port", str(setting.port),
    )  # fmt: skip
    home = str(setting.folder / "home")
    return Command(
        arguments=arguments,
        environment={"BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "true", "BENTOML_QUIET": "1"},
    )


def _cog(setting: Setting) -> Command:
    _copied(setting, "cog_server.py")
    return Command(
        arguments=(_python(setting), "-m", "cog.server.http", "--host", _LOCAL),
        environment={
            "COG_PREDICT_TYPE_STUB": "cog_server.py:Predictor",
            "COG_MAX_CONCURRENCY": "100",
            "COG_LOG_LEVEL": "error",
        },
    )


def _mlserver(setting: Setting) -> Command:
    _copied(setting, "mlserver_server.py")
    (setting.folder / "settings.json").write_text(
        f'{{"host": "{_LOCAL}", "http_port": {setting.port}, "grpc_port": {setting.port + 1},'
        f' "metrics_port": {setting.port + 2}, "parallel_workers": 0, "debug": false}}'
    )
    (setting.folder / "model-settings.json").write_text(
        f'{{"name": "{setting.model.name}", "implementation": "mlserver_server.Runtime"}}'
    )
    return Command(arguments=(str(setting.bin / "mlserver"), "start", "."))


def _mlflow(setting: Setting) -> Command:
    script = str(_HERE / "mlflow_model.py")
    made = f'"{_python(setting)}" "{script}" "{setting.model.path}" model'
    served = (
        f'exec "{_python(setting)}" -m mlflow models serve -m model --env-manager local '
        f"--workers 1 --host {_LOCAL} --port {setting.port}"
    )
    path = f"{setting.bin}:/usr/bin:/bin"
    return Command(arguments=("sh", "-c", f"{made} && {served}"), environment={"PATH": path})


def _ray(setting: Setting) -> Command:
    return Command(
        arguments=(_python(setting), _copied(setting, "ray_server.py")),
        environment={"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"},
    )


def _triton(setting: Setting) -> Command:
    (site,) = setting.bin.parent.glob("lib/python3*/site-packages")
    triton = site / "pytriton" / "tritonserver"
    # The backend finds the stub for this Python only beside itself.
    backend = setting.folder / "backends" / "python"
    shutil.copytree(triton / "backends" / "python", backend)
    stub = triton / "python_backend_stubs" / site.parent.name.removeprefix("python")
    shutil.copy(stub / "triton_python_backend_stub", backend)
    model = setting.folder / "models" / setting.model.name
    (model / "1").mkdir(parents=True)
    shutil.copy(_HERE / "triton_model.py", model / "1" / "model.py")
    shape = ", ".join(map(str, setting.model.shape))
    (model / "config.pbtxt").write_text(
        f'backend: "python"\nmax_batch_size: 64\ndynamic_batching {{}}\n'
        f'input [{{ name: "x" data_type: TYPE_FP32 dims: [{shape}] }}]\n'
        f'output [{{ name: "y" data_type: TYPE_FP32 dims: [{setting.model.classes}] }}]\n'
        "instance_group [{ kind: KIND_CPU count: 1 }]\n"
    )
    arguments = (
        str(triton / "bin" / "tritonserver"), f"--model-repository={setting.folder / 'models'}",
        f"--backend-directory={setting.folder / 'backends'}", f"--http-address={_LOCAL}",
        f"--http-port={setting.port}", "--allow-grpc=false", "--allow-metrics=false",
        "--log-info=false", "--log-warning=false",
    )  # fmt: skip
    return Command(
        arguments=arguments,
        environment={
            "LD_LIBRARY_PATH": str(site / "nvidia_pytriton.libs"),
            "PYTHONPATH": str(site),
            "PATH": f"{setting.bin}:/usr/bin:/bin",
        },
    )


FASTAPI = Peer(
    name="fastapi",
    title="FastAPI + uvicorn",
    about="one worker, async function, typed body; uvloop and httptools",
    requirements=("fastapi==0.165.0", "uvicorn[standard]==0.54.0", *_RUNTIME),
    start=_fastapi,
    asks=lambda model: (ask.plain(model),),
)

PEERS = (
    Peer(
        name="flask",
        title="Flask + gunicorn",
        about="two workers of the default kind, which close each connection",
        requirements=("flask==3.1.3", "gunicorn==27.0.1", *_RUNTIME),
        start=_flask,
        asks=lambda model: (ask.plain(model),),
    ),
    Peer(
        name="mlserver",
        title="MLServer",
        about="a runtime of one's own, in the HTTP process, no adaptive batching",
        requirements=("mlserver==1.7.1", *_RUNTIME),
        start=_mlserver,
        asks=lambda model: (ask.v2(model),),
    ),
    Peer(
        name="cog",
        title="Cog",
        about="async predictor, 100 at a time",
        requirements=("cog==0.23.1", *_RUNTIME),
        start=_cog,
        asks=lambda model: (ask.cog(model),),
    ),
    Peer(
        name="litserve",
        title="LitServe",
        about="batches of up to 32 within 1 ms",
        requirements=("litserve==0.2.19", *_RUNTIME),
        start=_litserve,
        asks=lambda model: (ask.plain(model),),
    ),
    Peer(
        name="bentoml",
        title="BentoML",
        about="one worker, batches of up to 32, with uvloop",
        requirements=("bentoml==1.4.39", "uvloop==0.23.0", *_RUNTIME),
        start=_bentoml,
        asks=lambda model: (ask.plain(model, key=None),),
    ),
    Peer(
        name="mlflow",
        title="MLflow",
        about="`mlflow models serve`, one worker",
        requirements=("mlflow==3.17.2", "onnx==1.23.2", *_RUNTIME),
        start=_mlflow,
        asks=lambda model: (ask.mlflow(model),),
    ),
    Peer(
        name="ray",
        title="Ray Serve",
        about="one replica behind its proxy",
        requirements=("ray[serve]==2.60.0", *_RUNTIME),
        start=_ray,
        asks=lambda model: (ask.plain(model),),
        models=("iris",),
        ready_s=120.0,
    ),
    Peer(
        name="triton",
        title="NVIDIA Triton, Python backend",
        about="the binary of nvidia-pytriton, dynamic batching, one instance",
        requirements=("nvidia-pytriton==0.7.0", "onnxruntime==1.31.1", "numpy==1.26.4"),
        start=_triton,
        asks=lambda model: (ask.v2(model),),
    ),
)
