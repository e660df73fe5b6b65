"""What `/metrics` answers: the numbers of every process of this server, whichever is asked."""

from collections.abc import Iterator

import shipmark_serve
from shipmark_serve.contract.model import Model
from shipmark_serve.metrics import exposition
from shipmark_serve.metrics.exposition import Sample
from shipmark_serve.metrics.families import LAYOUT
from shipmark_serve.metrics.family import Family
from shipmark_serve.metrics.process import usage
from shipmark_serve.metrics.region import Region
from shipmark_serve.response import Response

_MODEL = Family(
    name="shipmark_model_info",
    kind="gauge",
    help="The model that is served; the digests are of its code and of its weights.",
    labels=("name", "version", "runtime", "code_digest", "weights_digest"),
)
_SERVER = Family(
    name="shipmark_server_info",
    kind="gauge",
    help="The server.",
    labels=("version",),
)
_CPU = Family(
    name="shipmark_process_cpu_seconds",
    kind="counter",
    help="CPU time that a process has used, in user and system mode.",
    unit="seconds",
    labels=("process",),
)
_RESIDENT = Family(
    name="shipmark_process_resident_memory_bytes",
    kind="gauge",
    help="Memory of a process that is in RAM.",
    unit="bytes",
    labels=("process",),
)
_STARTED = Family(
    name="shipmark_process_start_time_seconds",
    kind="gauge",
    help="When a process started, since 1970-01-01 UTC.",
    unit="seconds",
    labels=("process",),
)


FAMILIES = (_MODEL, _SERVER, *LAYOUT.families, _CPU, _RESIDENT, _STARTED)
"""Everything that a page can show, in order."""


class Page:
    """The page, for a model and the region that its server's processes share."""

    def __init__(self, model: Model, region: Region) -> None:
        self._region = region
        self._info = (
            Sample(
                _MODEL,
                (
                    model.name,
                    model.version,
                    model.runtime,
                    model.code_digest,
                    model.weights_digest or "",
                ),
                (1.0,),
            ),
            Sample(_SERVER, (shipmark_serve.__version__,), (1.0,)),
        )

    def answer(self, accept: str) -> Response:
        """The page, in the format that an Accept header asks for."""
        form = exposition.media_type(accept)
        return Response(media_type=form, body=exposition.render(self._samples(), form))

    def _samples(self) -> Iterator[Sample]:
        yield from self._info
        yield from exposition.samples(self._region.layout, self._region.total())
        used = [(member.role, usage(member.pid)) for member in self._region.members()]
        alive = [((role,), its) for role, its in used if its is not None]
        yield from (Sample(_CPU, role, (its.cpu_s,)) for role, its in alive)
        yield from (Sample(_RESIDENT, role, (float(its.resident_bytes),)) for role, its in alive)
        yield from (Sample(_STARTED, role, (its.start_s,)) for role, its in alive)
