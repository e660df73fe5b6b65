"""What `--boot` means on this host: a unit in the user's folder, and what is missing for it."""

import os
import pwd
import sys
from pathlib import Path

import platformdirs

from shipmark.cli.home import home
from shipmark.deploy.deployment import Deployment
from shipmark.progress import Progress
from shipmark.targets.process import boot

_PASSED_ON = ("PATH", "SHIPMARK_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
_RUNS_HERE = Path("/run/systemd/system")
_LINGERING = Path("/var/lib/systemd/linger")


def check(name: str) -> None:
    """Refuse to replace the unit of another deployment.

    Raises:
        DeployError: There is one.
    """
    boot.check(_units(), name, home().deployments / name)


def enable(deployment: Deployment, progress: Progress) -> Path:
    """Have the deployment started with the host; gives the path of its unit.

    Raises:
        ShipmarkError: The unit cannot be written.
    """
    command = [sys.executable, "-P", "-m", "shipmark.cli"]
    text = boot.unit(
        deployment.name,
        directory=home().deployments / deployment.name,
        command=[*command, "start", "--foreground", deployment.name],
        environment={key: os.environ[key] for key in _PASSED_ON if os.environ.get(key)},
        stop_grace_s=deployment.stop_grace_s,
    )
    path = boot.enable(_units(), deployment.name, text)
    if not _RUNS_HERE.is_dir():
        progress.note(
            "systemd does not run here: have this called at boot, such as by a line `@reboot ...` "
            f"of crontab: {' '.join([*command, 'start', '--all'])}"
        )
    elif not (_LINGERING / _user()).exists():
        progress.note(f"to start before {_user()} logs in: loginctl enable-linger {_user()}")
    return path


def disable(name: str) -> None:
    """Have the deployment not started with the host any more."""
    boot.disable(_units(), name, home().deployments / name)


def _units() -> Path:
    """Where systemd looks for the units of this user."""
    return platformdirs.user_config_path() / "systemd" / "user"


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
