"""What msgspec says of a wrong body, in the words of this server: the place comes first."""

import re

import msgspec

from shipmark_serve.contract.errors import InvalidInput

_PLACE = re.compile(r"(?s)(.*) - at `(key in )?\$(.*)`")


def malformed(error: Exception, root: str = "$") -> InvalidInput:
    """The error for a body that msgspec could not read.

    Args:
        error: What it raised.
        root: The place of what was decoded; `$` is the whole body.
    """
    if isinstance(error, msgspec.ValidationError):
        return InvalidInput(explain(error, root))
    if isinstance(error, RecursionError):
        return InvalidInput("the body is nested too deeply")
    where = "the body" if root == "$" else f"at {root}: this"
    return InvalidInput(f"{where} is not JSON: {error}")


def explain(error: msgspec.ValidationError, root: str = "$") -> str:
    """What msgspec says, with the place in front: `at $.x[3]: expected float, got str`."""
    found = _PLACE.fullmatch(str(error))
    what, key, place = found.groups() if found else (str(error), None, "")
    what = what.replace("`", "")
    return f"at {key or ''}{root}{place}: {what[:1].lower()}{what[1:]}"
