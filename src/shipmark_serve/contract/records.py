"""Base classes of every record that crosses a file or a process.

msgspec does not hand `kw_only` down, and mypy does not see `frozen` handed down, so each
subclass says both again.
"""

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record of Shipmark's own: an unknown field is an error."""


class ForeignRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A record in other people's JSON: unknown fields are left alone."""
