"""One run of wrk: closed loop, as many requests as the connections allow. For throughput."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.ask import Ask
from benchmarks.serving.processes import Failed

_SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.body = file:read("*all")
file:close()
{headers}
function done(summary, latency)
  io.write(string.format(
    '\\nRESULT {{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,' ..
    '"errors":%d,"refused":%d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency.max,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run measured."""

    rate_per_s: float
    p50_s: float
    p99_s: float
    errors: int
    """Connections that failed, and answers that took longer than 30 s."""
    refused: int
    """Answers with another status than 2xx or 3xx."""


def wrk(port: int, ask: Ask, *, connections: int, seconds: int) -> Figures:
    """Run it.

    Raises:
        Failed: It went wrong.
    """
    with tempfile.TemporaryDirectory(prefix="shipmark-wrk-") as name:
        folder = Path(name)
        (folder / "body").write_bytes(ask.body)
        headers = "\n".join(
            f"wrk.headers[{json.dumps(key)}] = {json.dumps(value)}"
            for key, value in ask.headers.items()
        )
        script = folder / "post.lua"
        script.write_text(_SCRIPT.format(body=folder / "body", headers=headers))
        done = subprocess.run(
            ["wrk", "--threads", "1", "--connections", str(connections),
             "--duration", f"{seconds}s", "--timeout", "30s", "--script", str(script),
             f"http://127.0.0.1:{port}{ask.path}"],
            capture_output=True, text=True, check=False, timeout=seconds + 60,
        )  # fmt: skip
    _, found, line = done.stdout.rpartition("RESULT ")
    if done.returncode != 0 or not found:
        raise Failed(f"wrk: {done.stdout[-500:]}{done.stderr[-500:]}")
    told = json.loads(line)
    return Figures(
        rate_per_s=(told["requests"] - told["refused"]) / (told["duration_us"] / 1e6),
        p50_s=told["p50_us"] / 1e6,
        p99_s=told["p99_us"] / 1e6,
        errors=told["errors"],
        refused=told["refused"],
    )
