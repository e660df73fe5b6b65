"""Which constants of the source are limits that a user can meet, and what each of them bounds."""

import importlib
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Limit:
    """One row: `source` is `module:CONSTANT` or, for a default of a record, `module:Record.key`."""

    source: str
    what: str
    unit: str = ""

    def value(self) -> str:
        """As a page shows it."""
        value = read(self.source)
        if self.unit == "bytes":
            return binary_size(int(value))
        digits = f"{value:,}".replace(",", " ") if value >= GROUPED_FROM else f"{value}"
        return f"{digits} {self.unit}".strip()


def read(source: str) -> float:
    """The number that stands in the source."""
    module, _, name = source.partition(":")
    loaded = importlib.import_module(module)
    record, _, key = name.partition(".")
    if not key:
        return float_or_int(getattr(loaded, name))
    kind = getattr(loaded, record)
    if issubclass(kind, msgspec.Struct):
        return float_or_int(next(f.default for f in msgspec.structs.fields(kind) if f.name == key))
    return float_or_int(kind.__dataclass_fields__[key].default)


def float_or_int(value: object) -> float:
    """Without a fraction that says nothing."""
    if not isinstance(value, int | float):
        raise TypeError(value)
    return int(value) if value == int(value) else value


def binary_size(size_bytes: int) -> str:
    """`64 MiB`, where it is a whole number of them."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size_bytes >= 1 << power and size_bytes % (1 << power) == 0:
            return f"{size_bytes >> power} {unit}"
    for factor, unit in ((1_000_000, "MB"), (1_000, "kB")):
        if size_bytes >= factor and size_bytes % factor == 0:
            return f"{size_bytes // factor} {unit}"
    return f"{size_bytes} bytes"


GROUPED_FROM = 10_000
"""Smaller numbers are written without a space between thousands."""

_PACKAGE = "shipmark.package"
_LOCK = "shipmark.lock"
_PROCESS = "shipmark.targets.process"
_CLIENT = "shipmark.client.prediction"

LIMITS: dict[str, tuple[str, tuple[Limit, ...]]] = {
    "Package": (
        "What goes beyond is refused, unless another consequence is named.",
        (
            Limit(f"{_PACKAGE}.tree:MAX_FILES", "files of a directory, entries of a zip"),
            Limit(f"{_PACKAGE}.paths:MAX_PATH_BYTES", "path of a file, in UTF-8", "bytes"),
            Limit(f"{_PACKAGE}.paths:MAX_PART_BYTES", "one part of a path", "bytes"),
            Limit(f"{_PACKAGE}.config_rules:MAX_NAME", "name of the model", "characters"),
            Limit(
                f"{_PACKAGE}.config_rules:MAX_VERSION",
                "version of the code, and of the weights",
                "characters",
            ),
            Limit(f"{_PACKAGE}.config_file:MAX_CONFIG_BYTES", "`shipmark.toml`", "bytes"),
            Limit(f"{_PACKAGE}.signature:MAX_ENTRY_BYTES", "the entry file", "bytes"),
            Limit(f"{_PACKAGE}.requirements_txt:MAX_BYTES", "each `requirements.txt`", "bytes"),
            Limit(f"{_PACKAGE}.requirements_txt:MAX_INCLUDES", "files read because of `-r`"),
            Limit(f"{_PACKAGE}.requirements:MAX_PYLOCK_BYTES", "`pylock.toml`", "bytes"),
            Limit(f"{_PACKAGE}.golden_files:MAX_GOLDEN_BYTES", "a golden file", "bytes"),
            Limit(f"{_PACKAGE}.ignore:MAX_IGNORE_BYTES", "`.shipmarkignore`", "bytes"),
            Limit(f"{_PACKAGE}.ignore:MAX_WILDCARDS", "runs of `*` in one line of it"),
            Limit(f"{_PACKAGE}.complaints:MAX_COMPLAINTS", "complaints; the search ends with them"),
            Limit(
                f"{_PACKAGE}.annotations:MAX_DEPTH",
                "nesting of an annotation; a deeper one is read by the server when it starts",
            ),
            Limit(
                f"{_PACKAGE}.annotations:MAX_STEPS",
                "names looked up for the annotations of a file; likewise",
            ),
        ),
    ),
    "Zip": (
        "Beside the bounds of every package.",
        (
            Limit(f"{_PACKAGE}.zips:MAX_TOTAL_BYTES", "all files together, unpacked", "bytes"),
            Limit(
                f"{_PACKAGE}.zips:MAX_RATIO",
                "unpacked size over packed size, once the next bound is passed",
            ),
            Limit(
                f"{_PACKAGE}.zips:RATIO_FREE_BYTES",
                "unpacked size of which no ratio is asked",
                "bytes",
            ),
            Limit(f"{_PACKAGE}.zips:MAX_DIRECTORY_BYTES", "the table of entries", "bytes"),
            Limit(f"{_PACKAGE}.zips:MAX_LINK_STEPS", "links that lead to one another"),
            Limit(f"{_PACKAGE}.zip_entries:MAX_LINK_BYTES", "target of a link", "bytes"),
        ),
    ),
    "Model files": (
        "They are looked into without being loaded or unpickled.",
        (
            Limit(f"{_PACKAGE}.onnx_file:MAX_TEXT_BYTES", "a name inside an ONNX file", "bytes"),
            Limit(f"{_PACKAGE}.onnx_file:MAX_DEPTH", "graphs inside graphs of an ONNX file"),
            Limit(f"{_PACKAGE}.onnx_file:MAX_INPUTS", "inputs or outputs of an ONNX file"),
            Limit(f"{_PACKAGE}.protobuf:MAX_FIELDS", "protobuf fields of an ONNX file"),
            Limit(
                f"{_PACKAGE}.decompressed:MAX_RATIO",
                "unpacked size of a `.joblib` over packed size, once the next bound is passed",
            ),
            Limit(
                f"{_PACKAGE}.decompressed:RATIO_FREE_BYTES",
                "unpacked size of which no ratio is asked",
                "bytes",
            ),
            Limit(
                f"{_PACKAGE}.decompressed:MAX_LZMA_MEMORY_BYTES",
                "memory for unpacking xz and lzma",
                "bytes",
            ),
            Limit(
                f"{_PACKAGE}.sklearn_file:MAX_SCHEMA_BYTES", "`schema.json` of a `.skops`", "bytes"
            ),
        ),
    ),
    "Downloads": (
        "An attempt that brought something is not counted; what has come is resumed.",
        (
            Limit(f"{_LOCK}.fetch:AT_ONCE", "files downloaded at the same time"),
            Limit(f"{_LOCK}.sources:Sources.attempts", "attempts in a row that bring nothing"),
            Limit(
                f"{_LOCK}.sources:Sources.back_off_s",
                "wait before the second attempt; doubled each time",
                "s",
            ),
            Limit(f"{_LOCK}.transport:_LONGEST_WAIT_S", "longest wait between attempts", "s"),
            Limit(f"{_LOCK}.sources:Sources.connect_timeout_s", "time to connect", "s"),
            Limit(
                f"{_LOCK}.sources:Sources.read_timeout_s",
                "silence of a server; [UV_HTTP_TIMEOUT](settings.md) changes it",
                "s",
            ),
            Limit(
                f"{_LOCK}.transport:_LEAST_BYTES_PER_S",
                "least that must come in each second, over such a span",
                "bytes",
            ),
            Limit(f"{_LOCK}.transport:DOCUMENT_LIMIT_BYTES", "a page of an index", "bytes"),
            Limit(f"{_LOCK}.fetch:_LARGEST_BYTES", "a file whose size nobody promised", "bytes"),
        ),
    ),
    "Build": (
        "",
        (
            Limit(
                "shipmark.builders.plan:LARGE_BYTES",
                "size from which a wheel has a layer of its own",
                "bytes",
            ),
            Limit(
                "shipmark.builders.pyc:_SOURCE_BYTES",
                "a `.py` that gets bytecode; a larger one goes without",
                "bytes",
            ),
            Limit(
                "shipmark.builders.pyc:_MEMORY_BYTES", "memory of the bytecode compiler", "bytes"
            ),
            Limit("shipmark.builders.pyc:_TIME_S", "processor time of the bytecode compiler", "s"),
        ),
    ),
    "Deployments": (
        "What each replica may use is on the page of [the sandbox](sandbox.md#limits).",
        (
            Limit(
                "shipmark.deploy.limits:LEAST_MEMORY_BYTES",
                "least memory that may be given",
                "bytes",
            ),
            Limit(f"{_PROCESS}.ports:FIRST_PORT", "first port tried where none is given"),
            Limit(f"{_PROCESS}.ports:BACKLOG", "connections that wait to be accepted"),
            Limit(
                "shipmark.deploy.deployment:Deployment.stop_grace_s",
                "time between SIGTERM and SIGKILL",
                "s",
            ),
            Limit(f"{_PROCESS}.supervisor:FIRST_DELAY_S", "wait before the first restart", "s"),
            Limit(
                f"{_PROCESS}.supervisor:LONGEST_DELAY_S",
                "longest wait before a restart; it doubles until then",
                "s",
            ),
            Limit(
                f"{_PROCESS}.supervisor:HEALTHY_S",
                "time of being ready after which the wait begins anew",
                "s",
            ),
            Limit(f"{_PROCESS}.log:FILE_BYTES", "each of the two files of a log", "bytes"),
            Limit(
                f"{_PROCESS}.log:RATE_BYTES_PER_S",
                "what a model may write to it each second, in the long run; then it waits",
                "bytes",
            ),
            Limit(
                f"{_PROCESS}.rootfs:RESERVE_BYTES",
                "room that unpacking an image leaves on the disk",
                "bytes",
            ),
            Limit(
                "shipmark.cli.serve:GRACE_S",
                "time that `shipmark serve` gives the server to end",
                "s",
            ),
        ),
    ),
    "Asking and measuring": (
        "By [`predict`](predict.md), `[validate]` of [`check`](check.md), and [`bench`](bench.md).",
        (
            Limit(f"{_CLIENT}:MAX_ANSWER_BYTES", "an answer", "bytes"),
            Limit(f"{_CLIENT}:_FIRST_WAIT_S", "wait before the first retry; it doubles", "s"),
            Limit(f"{_CLIENT}:_LONGEST_WAIT_S", "longest wait before a retry", "s"),
            Limit(
                "shipmark.verify.validation:_MAX_ANSWER_BYTES",
                "an answer while `[validate]` is measured",
                "bytes",
            ),
            Limit(
                "shipmark.verify.dataset:MAX_RECORD_CHARACTERS",
                "one record of a data set",
                "characters",
            ),
            Limit("shipmark.measure.load:MAX_ARRIVALS", "requests of one run under load"),
            Limit("shipmark.measure.reply:MAX_HEAD_BYTES", "head of an answer under load", "bytes"),
            Limit(
                "shipmark.measure.report:LAG_FREE_S",
                "lateness of the generator, at the 99th percentile, that a run always bears",
                "s",
            ),
        ),
    ),
    "Doctor": (
        "",
        (Limit("shipmark.doctor.examine:TIMEOUT_S", "time that a check may take", "s"),),
    ),
    "Server": (
        "The rest are [settings](server.md#settings).",
        (
            Limit("shipmark_serve.watchdog:MAX_RESTARTS", "restarts by the watchdog in the span"),
            Limit("shipmark_serve.watchdog:RESTART_WINDOW_S", "that span", "s"),
            Limit(
                "shipmark_serve.placement:MAX_BATCH_SIZE",
                "rows in one batch, where nothing else is set",
            ),
            Limit("shipmark_serve.problems:RETRY_AFTER_S", "`Retry-After` of 429 and 503", "s"),
            Limit(
                "shipmark_serve.contract.golden:TOLERANCE",
                "relative L2 distance of a golden record that does not say",
            ),
            Limit("shipmark_serve.loading:_SHOWN_FAILURES", "failed golden records that are shown"),
        ),
    ),
}

NOT_LIMITS: dict[str, str] = {
    "shipmark.cli.bench:RATE_OF_ONE_PER_S": "a default: the option --processes",
    "shipmark.client.prediction:TIMEOUT_S": "a default: the option --timeout",
    "shipmark.digest:CHUNK_BYTES": "how much is read at once",
    "shipmark.doctor.reach:ANSWER_S": "below the time of a check",
    "shipmark.lock.transport:CHUNK_BYTES": "how much is read at once",
    "shipmark.measure.load:LEAST_INTERVALS": "how finely a run is shown",
    "shipmark.oci.layer:CHUNK_BYTES": "how much is read at once",
    "shipmark.store.file_hashes:SMALL_BYTES": "what is remembered, not what is allowed",
    "shipmark.targets.process.target:READY_TIMEOUT_S": "a default: the option --timeout",
    "shipmark.verify.dataset:CHUNK_BYTES": "how much is read at once",
    "shipmark.package.onnx_file:SMALL_NODE_BYTES": "how a node is read, not whether",
    "shipmark.package.protobuf:MAX_VARINT_BYTES": "protobuf's own",
    "shipmark.package.sklearn_file:MAX_VERSION_BYTES": "a longer text is no version",
    "shipmark_serve.access_log:FLUSH_S": "how old a line may be before it is written",
    "shipmark_serve.instruments:INTERVAL_S": "how often files are looked at",
    "shipmark_serve.placement:SLOW_S": "where a model runs, not whether",
    "shipmark_serve.placement:TURN_S": "where a request runs, not whether",
}
"""Constants that are named like limits and never met by a user, with the reason."""
