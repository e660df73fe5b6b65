"""How fast models are served, beside other servers; `make bench-serving` runs it."""
