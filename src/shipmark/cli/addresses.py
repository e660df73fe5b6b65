"""What a user calls a served model: a URL, a host with its port, or a deployment's name."""

from shipmark.errors import DeployError


def url_of(where: str) -> str:
    """The base URL.

    Raises:
        DeployError: It is a name, and no deployment of that name runs.
    """
    if "://" in where:
        return where
    if ":" in where or "/" in where:
        return f"http://{where}"
    # Only a name needs the state of this host; asking a URL should be quick.
    from shipmark.cli.deployments import process_target  # noqa: PLC0415

    target = process_target()
    status = target.observe(where)
    if status is None:
        known = ", ".join(each.name for each in target.ps()) or "none"
        raise DeployError(
            f"there is no deployment {where!r}", hint=f"deployments on this host: {known}"
        )
    if status.address is None or status.observed not in ("starting", "running", "restarting"):
        raise DeployError(
            f"the deployment {where} is {status.observed}", hint=f"shipmark start {where}"
        )
    return status.address
