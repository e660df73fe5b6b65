"""The content-addressed blob store."""

from shipmark.store.store import BlobWriter, Store

__all__ = ["BlobWriter", "Store"]
