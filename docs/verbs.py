"""What the page of a verb says beyond the verb's own help; a test holds each line to the verb."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """The hand-written part of one page."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    """Argument, in capitals -> meaning."""
    example: str
    """Shell commands; those that begin with `shipmark` are parsed by a test."""
    json: Mapping[str, str] = field(default_factory=dict)
    """Key of the document that `--json` prints -> meaning."""
    remark: str = ""
    see: Mapping[str, str] = field(default_factory=dict)
    """Title -> page."""


_PATH = "a directory, a model file (`.onnx`, `.joblib`, `.skops`) or a zip; the current directory"
_DEPLOYMENT = "the deployment, as `shipmark ps` lists it"

_STATUS = {
    "name": "of the deployment",
    "version": "of the model",
    "desired": "`running` or `stopped`: what was asked for",
    "state": "`starting`, `running`, `restarting`, `stopping`, `stopped` or `failed`; "
    "[what they mean](sandbox.md#states)",
    "ready": "whether `/health/ready` answered 200 when last asked",
    "address": "base URL; null before a port was bound",
    "digest": "the manifest that is serving; null while nothing runs",
    "pid": "the model's first process, as the host numbers it",
    "restarts": "how often the supervisor started it again",
    "started_at_s": "when it last started, in seconds since 1970-01-01 UTC",
    "last_error": "why it last ended by itself",
    "limits": "for each limit its `name`, `value`, whether it is `enforced`, and `by` what; "
    "[limits](sandbox.md#limits)",
}

_COMPLAINT = "each with its `place` (file and line or key), `message` and `mend`"

VERBS: dict[str, Notes] = {
    "new": Notes(
        arguments={"NAME": "the model's name, and the directory that is made"},
        example="shipmark new hello --template json",
        json={
            "name": "as given",
            "template": "as given",
            "files": "paths of the files that were made",
        },
        see={"the package": "package.md"},
    ),
    "check": Notes(
        arguments={"PATH": f"{_PATH} where it is left out; `-` is a zip on standard input"},
        example="shipmark check examples/sentiment --static",
        json={
            "name": "of the model",
            "version": "code version and weights version",
            "runtime": "`python`, `onnx` or `sklearn`",
            "schema": "what `predict` takes and gives; null where only running it can tell",
            "complaints": f"what must be mended, {_COMPLAINT}; where there are any, the only key, "
            "with exit code 3",
            "notes": f"what is allowed but unwise, {_COMPLAINT}",
            "started": "whether it was started in the sandbox; false with `--static`",
        },
        see={"the package": "package.md"},
    ),
    "lock": Notes(
        arguments={"PATH": f"{_PATH} where it is left out"},
        example="shipmark lock examples/digits --platform linux/amd64 --platform linux/arm64\n"
        "shipmark lock examples/digits --upgrade base",
        json={
            "name": "of the model",
            "version": "code version and weights version",
            "lock": "path of the file; null where none is kept",
            "digest": "of the lock, without what a build gave",
            "platforms": "those that are locked",
            "debs": "how many Debian packages, over all platforms",
            "wheels": "how many wheels, over all platforms, without the server's",
        },
        remark="`--upgrade` without a name resolves everything; give the path before it "
        "(`shipmark lock PATH --upgrade`), or the path is taken for the name.",
        see={"the lock file": "lock-file.md", "where downloads come from": "settings.md"},
    ),
    "build": Notes(
        arguments={"PATH": f"{_PATH} where it is left out; `-` is a zip on standard input"},
        example="shipmark build examples/digits --output digits.tar\ndocker load -i digits.tar",
        json={
            "name": "of the model, and of the image in the store",
            "version": "code version and weights version",
            "digest": "of the image index",
            "materials": "digest of the manifest of the debs and wheels it was made from",
            "manifests": "digest of the image manifest, by platform",
            "configs": "digest of the image configuration, by platform: Docker's image ID",
            "size": "of the first platform's layers as stored, in bytes",
            "seconds": "that assembling took",
            "layers": "of the first platform, largest first: `title`, `media_type`, `digest`, "
            "`diff_id`, `size` (as stored), `cached`, `seconds`, and `parts` with `name` and "
            "`size` (uncompressed)",
            "images": "the layers by platform",
        },
        see={"the image": "image.md", "the lock file": "lock-file.md"},
    ),
    "serve": Notes(
        arguments={
            "PATH": "a directory or a model file; the current directory where it is left out"
        },
        example="shipmark serve examples/sentiment --port 8081 --reload",
        remark="It prints no result; with `--json` errors alone are JSON. Its exit code is the "
        "[server's](server.md#exit-codes).",
        see={"the server": "server.md"},
    ),
    "up": Notes(
        arguments={
            "PATH_OR_IMAGE": "a directory, model file or zip, `-` for a zip on standard "
            "input, or the name of an image in the local store; the current directory where "
            "it is left out"
        },
        example="shipmark up examples/digits --name digits-a --cpus 1 --memory 512M "
        "-e SHIPMARK_TIMEOUT_S=10",
        json=_STATUS
        | {
            "digest": "of the image index that was started; `ps` gives the manifest that serves",
            "manifest": "digest of the image manifest for this host",
        },
        see={"the sandbox": "sandbox.md", "the server's settings": "server.md#settings"},
    ),
    "profile": Notes(
        arguments={"PATH": f"{_PATH} where it is left out; `-` is a zip on standard input"},
        example="shipmark profile examples/digits --runs 1000\n"
        "shipmark profile examples/iris.onnx --rows 32",
        json={
            "model": "name of the model",
            "version": "code version and weights version",
            "library": "what ran it: `onnxruntime` and its version",
            "inputs": "what it was run on, in words",
            "runs": "how often",
            "run_s": "wall time of one run, the median, in seconds; taking the profile is part "
            "of it",
            "operators": "by type, the longest first: `name`, `operator`, `provider`, `calls` (in "
            "a run), `seconds` (in a run, on average), `share` (of the time of all operators)",
            "nodes": "the same by node of the graph",
        },
        remark="onnxruntime counts in whole microseconds: of an operator that takes less, look at "
        "more rows.",
        see={"the server": "server.md"},
    ),
    "bench": Notes(
        arguments={"URL|NAME": "the server's address, or a deployment as `shipmark ps` lists it"},
        example="shipmark bench digits --rate 500 --duration 30 "
        "--input @examples/digits/request.json --output digits.html",
        json={
            "format": "revision of this document",
            "target": "the URL that was asked",
            "valid": "whether the run may be believed; where it may not, the exit code is 1",
            "faults": "why not: the generator itself was late, or requests waited for connections",
            "schedule": "as given",
            "seed": "as given",
            "rate_per_s": "as given",
            "duration_s": "as given",
            "connections": "as given",
            "processes": "how many sent",
            "timeout_s": "as given",
            "request_bytes": "size of each request, with its head",
            "due": "how many requests the schedule had",
            "answered": "how many had a reply with a status of 2xx",
            "failed": "how many had none",
            "failures": "how many by kind: `http STATUS`, `timeout`, `refused`, `hung up`, "
            "`not HTTP`, `no connection`",
            "offered_per_s": "requests a second that were due; Poisson arrivals are more or fewer "
            "than the rate",
            "throughput_per_s": "requests a second that were answered, until the last reply",
            "latency": "from when a request was due until it was answered: `count`, `mean_s`, "
            "`p50_s`, `p90_s`, `p99_s`, `p999_s`, `max_s`",
            "refused": "the same of replies with another status",
            "lag": "the same of what the generator itself was late with each request; latency "
            "holds it too",
            "held": "requests that waited because every connection was in use",
            "opened": "connections that were made",
            "generator_cpu_s": "processor time of what sent",
            "curve": "pairs: a fraction of the answered requests, and within how many seconds "
            "they were",
            "moments": "by interval of time: `at_s`, `due_per_s`, `answered_per_s`, "
            "`failed_per_s`, `p50_s`, `p99_s`, `max_s`",
            "page": "path of the page; null without `--output`",
        },
        remark="A run is not valid where, at the 99th percentile, the generator was late by more "
        "than 1 ms and more than a tenth of the latency, or where more than 1 in 100 requests had "
        "to wait for a connection. On a machine that the server shares, they compete for the same "
        "processors: `lag` shows by how much.",
        see={"the server": "server.md"},
    ),
    "ps": Notes(
        arguments={"NAMES": "deployments; all where none is named"},
        example="shipmark ps digits --json",
        json=_STATUS,
        remark="The document is a list, one object for each deployment.",
        see={"states": "sandbox.md#states"},
    ),
    "logs": Notes(
        arguments={"NAME": _DEPLOYMENT},
        example="shipmark logs digits --tail 20 --follow",
        json={"line": "one line of the log"},
        see={"the server's log": "server.md#log"},
    ),
    "stop": Notes(
        arguments={"NAME": _DEPLOYMENT},
        example="shipmark stop digits",
        json=_STATUS,
        see={"draining": "server.md#drain"},
    ),
    "start": Notes(
        arguments={"NAME": _DEPLOYMENT},
        example="shipmark start digits",
        json=_STATUS,
        see={"the sandbox": "sandbox.md"},
    ),
    "down": Notes(
        arguments={"NAME": _DEPLOYMENT},
        example="shipmark down digits",
        json={"name": "of the deployment", "removed": "true"},
    ),
}
