"""Shows where settings come from, and that a wrong one is named."""

from pathlib import Path

import msgspec
import pytest

from shipmark_serve import cpus
from shipmark_serve.contract.errors import LoadFailed
from shipmark_serve.contract.model import Model, ServeSettings
from shipmark_serve.settings import read


@pytest.fixture
def description(tmp_path: Path) -> dict[str, str]:
    """The environment that names a description with settings of its own."""
    model = Model(
        name="m",
        version="1",
        code_digest="sha256:0",
        runtime="onnx",
        weights="m.onnx",
        serve=ServeSettings(timeout_s=5, threads=3),
    )
    path = tmp_path / "model.json"
    path.write_bytes(msgspec.json.encode(model))
    return {"SHIPMARK_MODEL": str(path), "SHIPMARK_ROOT": str(tmp_path)}


def test_defaults(description: dict[str, str], tmp_path: Path) -> None:
    settings = read(description)
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 8080)
    assert settings.server.listen_fd is None
    assert settings.serve == ServeSettings(timeout_s=5, threads=3)
    assert settings.weights == tmp_path / "m.onnx"


def test_the_environment_comes_before_the_description(description: dict[str, str]) -> None:
    given = {
        "PORT": "0",
        "SHIPMARK_LISTEN_FD": "5",
        "SHIPMARK_TIMEOUT_S": "0.5",
        "SHIPMARK_THREADS": "8",
        "SHIPMARK_QUEUE_LIMIT": "",
        "MODEL_PATH": "/weights",
    }
    settings = read(description | given)
    assert (settings.server.port, settings.server.listen_fds) == (0, (5,))
    assert settings.serve == ServeSettings(timeout_s=0.5, threads=8)
    assert settings.weights == Path("/weights")


@pytest.mark.parametrize("key", ServeSettings.__struct_fields__)
def test_every_serve_key_can_be_set(description: dict[str, str], key: str) -> None:
    value = "1" if isinstance(getattr(ServeSettings(), key), bool) else "7"
    changed = read(description | {f"SHIPMARK_{key.upper()}": value}).serve
    assert getattr(changed, key) == int(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("SHIPMARK_THREADS", "-1"),
        ("SHIPMARK_CPUS", "0"),
        ("SHIPMARK_CPUS", "many"),
        ("SHIPMARK_TIMEOUT_S", "-1"),
        ("SHIPMARK_TIMEOUT_S", "nan"),
        ("SHIPMARK_GRACE_S", "1.5"),
        ("SHIPMARK_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_setting_is_named(description: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(LoadFailed, match=f"{name}={value}"):
        read(description | {name: value})


@pytest.mark.parametrize("text", ["", "{}", '{"name": 1}', "[", '{"format": 99}'])
def test_a_description_that_is_not_right_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(LoadFailed, match=r"model\.json"):
        read({"SHIPMARK_MODEL": str(path)})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_the_quota_of_the_cgroup_counts(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpus.available(tmp_path) == (expected or cpus.available(tmp_path / "nowhere"))


def test_what_was_granted_goes_before_what_can_be_seen(
    tmp_path: Path, description: dict[str, str]
) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    granted = read(description | {"SHIPMARK_CPUS": "0.5"}).server.cpus
    assert granted == 0.5
    assert cpus.available(tmp_path, granted=granted) == 1
    assert cpus.available(tmp_path, granted=1e6) == cpus.available(tmp_path)
