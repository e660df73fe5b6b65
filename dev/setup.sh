#!/bin/sh
# Make .venv with Shipmark, its dependencies as in uv.lock, and the tools of the tests.
set -eu
cd "$(dirname "$0")/.."

python=
for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    dev/system.sh python3 python3-venv
    python=/usr/bin/python3
fi

# A company's CA that only pip knows of serves uv as well.
if [ -z "${SSL_CERT_FILE:-}" ]; then
    bundle=$("$python" -m pip config get global.cert 2>/dev/null || true)
    [ -n "$bundle" ] && export SSL_CERT_FILE="$bundle"
fi

if ! .venv/bin/python -c 'import uv' 2>/dev/null; then
    echo "==> making .venv"
    "$python" -m venv --clear .venv
    version=$(sed -n '/^name = "uv"$/{n;s/version = "\(.*\)"/\1/p;}' uv.lock)
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$version"
fi
.venv/bin/python -m uv sync --frozen --quiet
