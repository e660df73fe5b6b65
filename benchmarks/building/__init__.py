"""How fast an image is built, beside `docker build` with BuildKit; `make bench-build` runs it."""
