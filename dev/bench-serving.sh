#!/bin/sh
# Measure serving beside other servers; writes benchmarks/results/serving.json and its page in docs/.
set -eu
cd "$(dirname "$0")/.."
dev/system.sh ca-certificates python3-venv bubblewrap wrk
dev/setup.sh
exec .venv/bin/python -m benchmarks.serving "$@"
