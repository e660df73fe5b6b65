#!/bin/sh
# Measure builds beside those of Docker; writes benchmarks/results/build.json and its page in docs/.
set -eu
cd "$(dirname "$0")/.."
dev/system.sh ca-certificates python3-venv docker.io mmdebstrap
dev/setup.sh
exec .venv/bin/python -m benchmarks.building "$@"
