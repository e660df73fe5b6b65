"""The content-addressed blob store."""

from shipmark.store.store import ImageRecord, Store
from shipmark.store.writer import BlobWriter

__all__ = ["BlobWriter", "ImageRecord", "Store"]
