"""Counters and histograms in memory that all processes of a server share, and their exposition."""
