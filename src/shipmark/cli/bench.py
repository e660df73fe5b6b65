"""`shipmark bench`: put a model under load, and tell how long its callers waited."""

import os
from dataclasses import replace
from pathlib import Path

import click
import httpx
import msgspec

from shipmark.cli.addresses import url_of
from shipmark.cli.output import Output, with_output
from shipmark.client import Address, Body, body_of, sniffed
from shipmark.errors import ServeError, ShipmarkError
from shipmark.measure import Load, page, report, run, text
from shipmark.measure.target import headers, numeric_host, request_bytes, try_once
from shipmark.measure.v2 import infer_request
from shipmark_serve.contract.records import ForeignRecord

RATE_OF_ONE_PER_S = 20_000
"""What one generator sends without lagging, on a processor of its own."""
_SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.argument("where", metavar="URL|NAME")
@click.option(
    "--rate", "rate_per_s", type=_SECONDS, required=True, metavar="N", help="Requests a second."
)
@click.option(
    "--duration",
    "duration_s",
    type=_SECONDS,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long requests are sent.",
)
@click.option(
    "--input",
    "given",
    required=True,
    metavar="TEXT|@FILE",
    help="What each request holds: text, JSON, or the content of a file.",
)
@click.option("--content-type", metavar="TYPE", help="Its media type. Default: as for predict.")
@click.option(
    "--route",
    default="/predict",
    show_default=True,
    metavar="PATH|v2",
    help="Where requests go; v2 asks the same of the model's infer route.",
)
@click.option(
    "--schedule",
    type=click.Choice(["poisson", "constant"]),
    default="poisson",
    show_default=True,
    help="Requests at random, as of many callers, or at equal distances.",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Of the schedule: the same seed sends at the same times.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 20_000),
    default=512,
    show_default=True,
    help="At most so many at a time; a request that has to wait for one waits all the same.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=_SECONDS,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="A request not answered so long after it was due has failed.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    help=f"That send. Default: one for each {RATE_OF_ONE_PER_S} requests a second.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Holds the token that is sent as Authorization: Bearer.",
)
@click.option(
    "--output",
    "page_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with plots there (HTML).",
)
@click.option(
    "--allow-remote", is_flag=True, help="Put load on another machine, which must be yours to load."
)
@with_output
def command(
    output: Output,
    *,
    where: str,
    rate_per_s: float,
    duration_s: float,
    given: str,
    content_type: str | None,
    route: str,
    schedule: str,
    seed: int,
    connections: int,
    timeout_s: float,
    processes: int | None,
    token_file: Path | None,
    page_path: Path | None,
    allow_remote: bool,
) -> None:
    """Put load on the model at URL, or of the deployment NAME, and tell how long callers wait.

    The load is open loop: when requests are due is fixed beforehand by rate, schedule and seed, and
    none waits for an earlier reply, so a server that stalls is asked as much as before. Latency
    counts from when a request was due. A run in which the generator itself could not keep up says
    so, and ends with exit code 1.
    """
    address = Address.parse(url_of(where))
    host = numeric_host(address, allow_remote=allow_remote)
    token = _token(token_file)
    body = _body(given, content_type)
    if route == "v2":
        name, body = _v2(address, host, body, token, timeout_s)
        route = f"/v2/models/{name}/infer"
    address = replace(address, target=_target(route))
    try_once(address, host, body, token=token, timeout_s=timeout_s)
    load = msgspec.convert(
        {
            "host": host,
            "port": address.port,
            "request": request_bytes(address, body, token=token),
            "schedule": schedule,
            "rate_per_s": rate_per_s,
            "duration_s": duration_s,
            "seed": seed,
            "connections": connections,
            "timeout_s": timeout_s,
            "processes": processes or _processes(rate_per_s),
        },
        Load,
    )
    output.progress.step(f"{rate_per_s:g} requests a second on {address} for {duration_s:g} s")
    told = report(str(address), load, run(load))
    if page_path is not None:
        _write(page_path, page(told))
    written = None if page_path is None else str(page_path)
    output.result(msgspec.to_builtins(told) | {"page": written}, text(told))
    if not told.valid:
        raise click.exceptions.Exit(1)


def _processes(rate_per_s: float) -> int:
    wanted = int(-(-rate_per_s // RATE_OF_ONE_PER_S))
    return min(wanted, len(os.sched_getaffinity(0)))


def _token(path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8", errors="replace").strip()


def _body(given: str, content_type: str | None) -> Body:
    if given.startswith("@"):
        return body_of(Path(given[1:]), content_type)
    data = given.encode("utf-8", "surrogateescape")
    return body_of(data, content_type or sniffed(data))


def _target(route: str) -> str:
    if not route.startswith("/") or not (route.isascii() and route.isprintable()) or " " in route:
        raise click.UsageError(f"--route is {route!r}: give v2, or a path such as /predict")
    return route


class _Health(ForeignRecord, frozen=True, kw_only=True):
    name: str


def _v2(
    address: Address, host: str, body: Body, token: str | None, timeout_s: float
) -> tuple[str, Body]:
    """The model's name, and what v2 is asked in place of `body`."""
    shown = f"[{host}]" if ":" in host else host
    sent = headers(token) | {"Host": address.netloc}
    base = f"http://{shown}:{address.port}"
    with httpx.Client(headers=sent, timeout=timeout_s, trust_env=False, base_url=base) as client:
        try:
            name = msgspec.json.decode(_get(client, "/health"), type=_Health).name
            metadata = _get(client, f"/v2/models/{name}")
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise ServeError(
                f"{base} does not say which model it serves: {error}",
                hint="give --route the path, and a v2 request as --input",
            ) from error
    return name, body_of(infer_request(metadata, body.data), "application/json")


def _get(client: httpx.Client, path: str) -> bytes:
    answer = client.get(path)
    answer.raise_for_status()
    return answer.content


def _write(path: Path, content: str) -> None:
    """Write beside, then rename."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(content, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ShipmarkError(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}",
            hint="name a file in a folder that can be written to",
        ) from error
    finally:
        beside.unlink(missing_ok=True)
