#!/bin/sh
# The gates. pre-commit and the tests run this same script.
set -eu
cd "$(dirname "$0")/.."
dev/setup.sh
PATH="$PWD/.venv/bin:$PATH"
ruff format --check --quiet .
ruff check --quiet .
mypy --no-error-summary
lint-imports --no-logo --config pyproject.toml >/dev/null || lint-imports --no-logo
python -m uv lock --check --quiet --offline
