"""The platform of this host, in OCI's words."""

import os


def host_platform() -> str:
    """The platform of images that run here, such as `linux/amd64`.

    On another system than Linux it is that of a Linux of the same architecture.
    """
    machine = os.uname().machine.lower()
    return "linux/arm64" if machine in {"aarch64", "arm64"} else "linux/amd64"
