"""What the page of a verb says beyond the verb's own help; a test holds each line to the verb."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shipmark.doctor.checks import WHY


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
            "validation": "where the package has `[validate]`: its `data`, number of `records`, "
            "`metric`, the `value` that was reached, and the `threshold`; else null",
        },
        see={"the package": "package.md"},
    ),
    "lock": Notes(
        arguments={"PATH": f"{_PATH} where it is left out"},
        example="shipmark lock examples/digits --platform linux/amd64,linux/arm64\n"
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
    "predict": Notes(
        arguments={
            "URL|NAME": "a server's URL (`/predict` is added where it is missing), `HOST:PORT`, or "
            "a deployment",
            "[INPUT]": "text or JSON; `@FILE`; `-` or nothing for standard input",
        },
        example="shipmark predict hello 'good morning'\n"
        "shipmark predict digits @examples/digits/request.json",
        json={
            "answer": 'what the model answered; bytes as `{"base64": ...}`',
            "seconds": "from asking to the whole answer, retries included",
            "request_id": "of the answer; the server's log has it",
        },
        see={"the server's errors": "server.md#errors"},
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
    "images": Notes(
        example="shipmark images --json",
        json={
            "name": "of the image; null where it has none any more and a deployment still uses it",
            "version": "of the model",
            "digest": "of the image index; of the manifest where it has no name",
            "platforms": "those it was built for",
            "built_at": "when its name was given to it, in UTC",
            "size_bytes": "of all its blobs as stored",
            "own_size_bytes": "of those that no other image needs",
            "unpacked_bytes": "what its layers occupy on the disk, unpacked for the sandbox",
            "own_unpacked_bytes": "of those that no other image needs",
            "materials_bytes": "of the Debian packages and wheels it was made from",
            "own_materials_bytes": "of those that no other image needs",
            "deployments": "those that use it, stopped ones included",
            "fault": "what is missing or damaged, else null",
        },
        remark="The document of `--json` is a list, one object for each image.",
        see={"removing them": "rmi.md", "where things lie": "settings.md#where-things-lie"},
    ),
    "rmi": Notes(
        arguments={
            "NAME|DIGEST...": "images, as `shipmark images` lists them; of a digest the first six "
            "digits are enough, where no other image begins so"
        },
        example="shipmark rmi digits\nshipmark gc",
        json={"name": "of the image", "removed": "true"},
        remark="The document of `--json` is a list, one object for each image.",
        see={"freeing the room": "gc.md"},
    ),
    "gc": Notes(
        example="shipmark gc --dry-run\nshipmark gc --downloads",
        json={
            "dry_run": "whether nothing was removed",
            "freed_bytes": "what the disk gains; less than the sum where a file has another name "
            "elsewhere, as in the cache of downloads or in an OCI layout",
            "removed": "each with its `kind`, its `path` and the `size_bytes` it occupied",
        },
        see={
            "why nothing in use is removed": "../adr/0006-gc-waits-for-builds.md",
            "where things lie": "settings.md#where-things-lie",
        },
    ),
    "doctor": Notes(
        arguments={"[NAME]...": "checks to run; all where none is named"},
        example="shipmark doctor sandbox cgroups",
        json={
            "check": "its name",
            "status": "`ok`, `warning` or `failed`",
            "found": "what was seen",
            "why": "what does not work because of it; where empty, what the table says",
            "mend": "the command or setting that puts it right",
        },
        remark="\n".join(
            [
                "| check | where it finds something |",
                "|---|---|",
                *(f"| `{name}` | {why} |" for name, why in WHY.items()),
                "",
                "The document of `--json` is a list, one object for each check.",
            ]
        ),
        see={"the sandbox": "sandbox.md#what-this-host-needs", "settings": "settings.md"},
    ),
}
