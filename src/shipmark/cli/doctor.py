"""`shipmark doctor`: what is wrong on this host."""

from datetime import UTC, datetime
from functools import partial

import click
import msgspec

from shipmark.cli.home import home
from shipmark.cli.output import Output, with_output
from shipmark.cli.sources import sources_from_host
from shipmark.doctor.checks import WHY, Installation, all_checks
from shipmark.doctor.examine import examine
from shipmark.doctor.finding import Finding, Status
from shipmark.errors import ShipmarkError
from shipmark.lock.sources import Sources

_MARKS: dict[Status, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warn", "yellow"),
    "failed": ("FAIL", "red"),
}
_INDENT = max(map(len, WHY)) + 8


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(tuple(WHY)), metavar="[NAME]...")
@with_output
def command(output: Output, *, names: tuple[str, ...]) -> None:
    """Name what is wrong on this host, and what mends it.

    All checks run, or only those named: platform, python, namespaces, bubblewrap, overlay,
    seccomp, sandbox, cgroups, disk, store, images, settings, index, debian, certificates, clock,
    ports, deployments. What can be tried is tried, and leaves nothing behind. The exit code is 1
    where a check failed; a warning is none.
    """
    checks = all_checks(_installation())
    findings = dict(examine({name: checks[name] for name in checks if name in (names or checks)}))
    output.result(
        [{"check": name} | msgspec.to_builtins(each) for name, each in findings.items()],
        "\n".join(_text(name, finding) for name, finding in findings.items()),
    )
    if any(finding.status == "failed" for finding in findings.values()):
        raise SystemExit(1)


def _installation() -> Installation:
    place = home()
    sources: Sources | ShipmarkError
    try:
        sources = sources_from_host(cache=place.cache)
    except ShipmarkError as error:
        sources = error
    return Installation(
        store=place.store,
        cache=place.cache,
        state=place.state,
        deployments=place.deployments,
        sources=sources,
        now=partial(datetime.now, UTC),
    )


def _text(name: str, finding: Finding) -> str:
    mark, color = _MARKS[finding.status]
    head = f"{click.style(f'{mark:<4}', fg=color)}  {name:<{_INDENT - 6}}"
    lines = [head + _indented(finding.found)]
    for label, text in (("why", finding.why), ("mend", finding.mend)):
        if text and finding.status != "ok":
            lines.append(" " * _INDENT + _indented(f"{label}: {text}"))
    return "\n".join(lines)


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * _INDENT)
