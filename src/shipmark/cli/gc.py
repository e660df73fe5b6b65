"""`shipmark gc`: take away what no image and no deployment needs."""

from collections import Counter

import click

from shipmark.cli.amounts import size_text
from shipmark.cli.deployed import needed
from shipmark.cli.deployments import store
from shipmark.cli.home import home
from shipmark.cli.output import Output, with_output
from shipmark.lock.clear import clear
from shipmark.store.collect import collect
from shipmark.store.removal import Removal

SHOWN = 20


@click.command()
@click.option("--dry-run", is_flag=True, help="Remove nothing; list what would be removed.")
@click.option("--downloads", is_flag=True, help="Empty the cache of downloads as well.")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long to wait while something is built or started. Default: until it is done.",
)
@with_output
def command(output: Output, *, dry_run: bool, downloads: bool, wait_s: float | None) -> None:
    """Remove what no image and no deployment needs, and what killed commands left behind.

    Kept are the blobs, materials and unpacked layers of every image that `shipmark images` lists,
    and of every deployment, running or stopped. Layers of earlier builds go, and what the cache
    remembers of them. Nothing is removed while something is locked, built or started; that is
    waited for, and what begins meanwhile goes first.
    """
    removal = Removal(trash=store().root / "tmp", dry_run=dry_run)
    with store().alone(wait_s=wait_s, progress=output.progress):
        collect(store(), needed(store()), removal)
        if downloads:
            clear(home().cache, removal)
    document = {
        "dry_run": dry_run,
        "freed_bytes": removal.freed_bytes,
        "removed": [
            {"kind": each.kind, "path": str(each.path), "size_bytes": each.size_bytes}
            for each in removal.removed
        ],
    }
    output.result(document, _text(removal, dry_run=dry_run, downloads=downloads))


def _text(removal: Removal, *, dry_run: bool, downloads: bool) -> str:
    if not removal.removed:
        return "there is nothing to remove"
    lines = []
    if dry_run:
        largest = sorted(removal.removed, key=lambda each: -each.size_bytes)
        lines += [
            f"{size_text(each.size_bytes):>9}  {each.kind} {each.path.name}"
            for each in largest[:SHOWN]
        ]
        if len(largest) > SHOWN:
            lines.append(f"           and {len(largest) - SHOWN} more")
    numbers = Counter(each.kind for each in removal.removed)
    kinds = ", ".join(
        f"{number} {kind}{'' if number == 1 else 's'}" for kind, number in numbers.items()
    )
    freed = size_text(removal.freed_bytes)
    lines.append(f"would free {freed}: {kinds}" if dry_run else f"freed {freed}: {kinds}")
    elsewhere = sum(each.size_bytes for each in removal.removed) - removal.freed_bytes
    if elsewhere and not downloads:
        lines.append(
            f"{size_text(elsewhere)} more lie in the cache of downloads too: "
            "shipmark gc --downloads"
        )
    return "\n".join(lines)
