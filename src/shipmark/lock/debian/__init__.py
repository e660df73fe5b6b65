"""Debian's archive: the signed index, versions, and which packages need which."""
