#!/bin/sh
# Measure; the figures stand beside their method in docs/.
set -eu
cd "$(dirname "$0")/.."
dev/setup.sh
exec .venv/bin/python -m benchmarks.spine "$@"
