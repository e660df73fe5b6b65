"""What cannot be deployed anywhere is refused with what to do, before anything happens."""

import msgspec
import pytest

from shipmark.deploy import deployment as deployments
from shipmark.deploy import limits as limits_of
from shipmark.deploy.deployment import Deployment
from shipmark.deploy.limits import Limits
from shipmark.digest import of_bytes
from shipmark.errors import DeployError

GOOD = Deployment(name="digits", manifest=of_bytes(b"m"), config=of_bytes(b"c"))


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("512M", 512 << 20), ("2G", 2 << 30), ("1.5GiB", 3 << 29), ("1024", 1024), ("8kb", 8192)],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert limits_of.parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "M", "-1G", "12X", "1,5G", "lots"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(DeployError, match="is not a size"):
        limits_of.parse_size(text)


@pytest.mark.parametrize("name", ["digits", "iris.onnx", "A", "a" * 63, "breast-cancer_2"])
def test_names(name: str) -> None:
    deployments.check(msgspec.structs.replace(GOOD, name=name))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": ""}, "cannot name"),
        ({"name": "../x"}, "cannot name"),
        ({"name": ".hidden"}, "cannot name"),
        ({"name": "a" * 64}, "cannot name"),
        ({"name": "new\nline"}, "cannot name"),
        ({"port": 0}, "no port"),
        ({"port": 65536}, "no port"),
        ({"env": {"A-B": "x"}}, "variable"),
        ({"env": {"A": "x\0y"}}, "variable"),
        ({"limits": Limits(cpus=0)}, "processors"),
        ({"limits": Limits(memory_bytes=1000)}, "memory"),
        ({"limits": Limits(processes=1)}, "cannot start"),
    ],
)
def test_impossible_deployments(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(DeployError, match=complaint):
        deployments.check(msgspec.structs.replace(GOOD, **changes))
