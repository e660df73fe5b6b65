"""Start a deployment with the host: a unit of systemd, in the folder of a user.

The supervisor is its main process, so that systemd ends it with a single SIGTERM, and starts it
again where it was killed; but not a model that was never ready. `Delegate` lets it make control
groups without being root.

Source: systemd.unit(5), systemd.service(5), systemd.syntax(7).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from shipmark.errors import DeployError
from shipmark.store.disk import explained

_TARGET = "default.target.wants"
_MARGIN_S = 15
_ENV = "/usr/bin/env"
"""What systemd starts itself may not have special characters in its path; an argument may."""

_ESCAPED = re.compile(r'["%\\\x00-\x1f\x7f\udc80-\udcff]')
_WITH_NAMES = {'"': '\\"', "\\": "\\\\", "%": "%%"}


def unit_path(folder: Path, name: str) -> Path:
    """Where the unit of deployment `name` lies, in the `systemd/user` of a user."""
    return folder / f"shipmark-{name}.service"


def unit(
    name: str,
    *,
    directory: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    stop_grace_s: float,
) -> str:
    """The text of the unit.

    Args:
        name: The deployment.
        directory: Its state directory, by which the unit is known again.
        command: What starts it in the foreground.
        environment: What that needs.
        stop_grace_s: How long the model may take to end.
    """
    settings = "".join(
        f"Environment={_quoted(f'{key}={value}')}\n" for key, value in environment.items()
    )
    started = " ".join(_quoted(word).replace("$", "$$") for word in command)
    return f"""\
# Made by `shipmark up --boot`; `shipmark down {name}` removes it.
{_mark(directory)}
[Unit]
Description=Shipmark deployment {name}

[Service]
Type=exec
{settings}ExecStart={_ENV} {started}
KillMode=mixed
TimeoutStopSec={stop_grace_s + _MARGIN_S:g}
Restart=on-abnormal
RestartSec=1
Delegate=yes

[Install]
WantedBy=default.target
"""


def check(folder: Path, name: str, directory: Path) -> None:
    """Refuse to replace the unit of another deployment.

    Raises:
        DeployError: There is one, of the same name and of another home.
    """
    path = unit_path(folder, name)
    if path.exists() and not _is_of(path, directory):
        raise DeployError(
            f"{path} starts another deployment of this name", hint="give this one another --name"
        )


def enable(folder: Path, name: str, text: str) -> Path:
    """Write the unit and have it started at boot; gives its path.

    Raises:
        ShipmarkError: It cannot be written.
    """
    path = unit_path(folder, name)
    link = folder / _TARGET / path.name
    with explained(path, need_bytes=len(text)):
        link.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}")
        beside.write_text(text, "utf-8", errors="strict")
        beside.rename(path)
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..") / path.name)
    return path


def disable(folder: Path, name: str, directory: Path) -> None:
    """Remove the unit, if it is the deployment's own."""
    path = unit_path(folder, name)
    if path.exists() and _is_of(path, directory):
        (folder / _TARGET / path.name).unlink(missing_ok=True)
        path.unlink()


def _is_of(path: Path, directory: Path) -> bool:
    return _mark(directory) in path.read_text("utf-8", errors="replace").splitlines()


def _mark(directory: Path) -> str:
    return f"# Deployment {_quoted(str(directory))}"


def _quoted(word: str) -> str:
    def escape(found: re.Match[str]) -> str:
        character = found[0]
        byte = character.encode("utf-8", "surrogateescape")[0]
        return _WITH_NAMES.get(character, f"\\x{byte:02x}")

    return f'"{_ESCAPED.sub(escape, word)}"'
