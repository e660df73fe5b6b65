"""The protocols by which inference is asked for: one file each, all of them on one core."""
