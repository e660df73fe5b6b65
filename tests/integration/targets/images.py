"""Small real images for the sandbox tests: the host's Python and a server, in OCI layers."""

import io
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zlib_ng import zlib_ng

from shipmark import digest as digests
from shipmark.digest import Digest
from shipmark.oci import descriptor as oci
from shipmark.oci.config import ImageConfig, RootFs, RunConfig
from shipmark.oci.descriptor import Descriptor, Platform
from shipmark.oci.manifest import Index, Manifest
from shipmark.store import ImageRecord, Store
from shipmark.targets.process import host

PYTHON = "/usr/bin/python3"
_LEFT_OUT = {
    "test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "distutils", "unittest", "tkinter",
    "turtledemo", "dist-packages", "site-packages", "asyncio", "multiprocessing", "xml",
}  # fmt: skip

SERVER = '''
"""Runs the Python it is sent and answers with `result`; a model with no manners."""
import os, signal, socket, threading, time

def answer(connection):
    with connection:
        data = b""
        while b"\\r\\n\\r\\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\\r\\n\\r\\n")
        length = 0
        for line in head.split(b"\\r\\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += connection.recv(65536)
        scope = {"listener": listener}
        if head.startswith(b"POST"):
            try:
                exec(body.decode(), scope)
                text = str(scope.get("result"))
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
        else:
            text = "ready"
        body = text.encode()
        head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
        connection.sendall(head + body)

mode = os.environ.get("MODE", "")
if mode == "crash":
    raise RuntimeError("weights are missing")
if mode == "deaf":
    signal.signal(signal.SIGTERM, lambda *_: None)
else:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if mode == "hang":
    print("loading for ever", flush=True)
    signal.pause()
listener = socket.socket(fileno=int(os.environ["SHIPMARK_LISTEN_FD"]))
print("serving", flush=True)
while True:
    try:
        connection, _ = listener.accept()
    except OSError:  # shut down by what it was sent
        time.sleep(0.02)
        continue
    threading.Thread(target=answer, args=(connection,), daemon=True).start()
'''


@dataclass(frozen=True, slots=True)
class Image:
    """Digests of an image in a store."""

    manifest: Digest
    config: Digest


def python_layer() -> bytes:
    """A tar of the host's own Python, its standard library and what it is linked with."""
    ask = "import sys, sysconfig; print(sys.executable, sysconfig.get_path('stdlib'))"
    said = subprocess.run([PYTHON, "-I", "-c", ask], capture_output=True, text=True, check=True)
    stdlib = Path(said.stdout.split()[1])
    files = {PYTHON: Path(PYTHON).resolve()}
    binaries = [files[PYTHON]]
    for path in sorted(stdlib.rglob("*")):
        top = path.relative_to(stdlib).parts[0]
        if path.is_file() and top not in _LEFT_OUT and "config-" not in top:
            files[str(path)] = path.resolve()
            if path.suffix == ".so":
                binaries.append(path)
    linked = subprocess.run(
        ["/usr/bin/ldd", *map(str, binaries)], capture_output=True, text=True, check=True
    )
    for line in linked.stdout.splitlines():
        for word in line.split():
            if word.startswith("/") and not word.endswith(":"):
                files[word] = Path(word).resolve()
    return tar({name.lstrip("/"): path.read_bytes() for name, path in files.items()})


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar of regular files that anyone may execute."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def tar_of_links(links: Mapping[str, str]) -> bytes:
    """A tar of symbolic links, by name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return packed.getvalue()


def gzip(data: bytes, block_bytes: int = 4 << 20) -> bytes:
    """As Shipmark compresses: one member for each block."""
    pieces = []
    for at in range(0, len(data), block_bytes):
        state = zlib_ng.compressobj(level=1, wbits=31)
        pieces.append(state.compress(data[at : at + block_bytes]) + state.flush())
    return b"".join(pieces)


def put_image(
    store: Store,
    layers: list[bytes],
    *,
    argv: tuple[str, ...] = (PYTHON, "-I", "/app/server.py"),
    architecture: str | None = None,
    env: tuple[str, ...] = ("PATH=/usr/bin", "GREETING=hello"),
    diff_ids: list[Digest] | None = None,
) -> Image:
    """An image of these tar layers, the first one uncompressed and the others gzip."""
    descriptors = []
    for index, layer in enumerate(layers):
        data = gzip(layer) if index else layer
        media_type = oci.LAYER_GZIP if index else oci.LAYER_TAR
        digest = store.put(data)
        descriptors.append(Descriptor(media_type=media_type, digest=digest, size=len(data)))
    config = oci.canonical(
        ImageConfig(
            architecture=architecture or host.architecture().name,
            os="linux",
            config=RunConfig(
                user="65532:65532",
                env=env,
                entrypoint=argv,
                working_dir="/app",
                stop_signal="SIGTERM",
            ),
            rootfs=RootFs(type="layers", diff_ids=tuple(diff_ids or map(digests.of_bytes, layers))),
        )
    )
    manifest = oci.canonical(
        Manifest(
            schema_version=2,
            media_type=oci.MANIFEST,
            config=Descriptor(media_type=oci.CONFIG, digest=store.put(config), size=len(config)),
            layers=tuple(descriptors),
        )
    )
    return Image(manifest=store.put(manifest), config=digests.of_bytes(config))


def tag_image(store: Store, name: str, image: Image) -> None:
    """Give it a name, by which `shipmark up` finds it."""
    index = oci.canonical(
        Index(
            schema_version=2,
            media_type=oci.INDEX,
            manifests=(
                Descriptor(
                    media_type=oci.MANIFEST,
                    digest=image.manifest,
                    size=store.size(image.manifest),
                    platform=Platform(os="linux", architecture=host.architecture().name),
                ),
            ),
        )
    )
    store.tag(ImageRecord(name=name, version="1", index=store.put(index)))
