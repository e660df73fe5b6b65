"""Lock -> Index of images, without a container daemon."""

from shipmark.builders.assemble import Built, BuiltImage, assemble
from shipmark.builders.layers import BuiltLayer, BuiltPart

__all__ = ["Built", "BuiltImage", "BuiltLayer", "BuiltPart", "assemble"]
