"""A process in a sandbox on this host."""
