"""The command in a world of its own: namespaces in which a test breaks what it likes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "from shipmark.cli import main; main()", "doctor"]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    code: int
    findings: dict[str, dict[str, Any]]
    said: str
    """All that was printed."""

    def status(self, name: str) -> str:
        return str(self.findings[name]["status"])

    def found(self, name: str) -> str:
        return str(self.findings[name]["found"])


def doctor(
    home: Path, *names: str, broken: str = "", env: Mapping[str, str] | None = None
) -> Report:
    """Run `shipmark doctor --json NAMES`.

    Args:
        home: Where Shipmark keeps its things, `$0` of the script.
        names: Of checks; none for all.
        broken: A shell script to be run before, as root of new user and mount namespaces.
        env: Changes to the environment.
    """
    command = [*COMMAND, "--json", *names]
    if broken:
        script = f'set -e\n{broken}\nexec "$@"'
        isolated = ["unshare", "--user", "--map-root-user", "--mount"]
        command = [*isolated, "sh", "-c", script, str(home), *command]
    done = subprocess.run(
        command,
        env={**os.environ, "SHIPMARK_HOME": str(home), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert done.stdout, said
    findings = json.loads(done.stdout)
    report = {finding["check"]: finding for finding in findings}
    for finding in findings:
        if finding["status"] != "ok":
            assert finding["why"], finding
            assert finding["mend"], finding
    return Report(done.returncode, report, said)
