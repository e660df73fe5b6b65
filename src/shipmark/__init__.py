"""Shipmark turns a trained model into a container that can be proved, and serves it."""

__version__ = "0.1.0"
