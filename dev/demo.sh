#!/bin/sh
# Take examples/digits from package to answer, one step after the other.
set -eu
cd "$(dirname "$0")/.."

dev/system.sh ca-certificates python3-venv bubblewrap curl
dev/setup.sh
# A home beside the clone: nothing of the demo lies anywhere else.
export SHIPMARK_HOME="$PWD/.demo"
PATH="$PWD/.venv/bin:$PATH"
say() { printf '\n\033[1m# %s\033[0m\n' "$1"; }
run() { printf '$ %s\n' "$*"; "$@"; }
digest() { python -c 'import json, sys; print(json.load(sys.stdin)["digest"])'; }

shipmark down digits >/dev/null 2>&1 || true

say "Lock the package: every Debian package, wheel, weight and file by its hash"
run shipmark lock examples/digits

say "Build its image; no container daemon, nothing of the package is executed"
run shipmark build examples/digits
first=$(shipmark build examples/digits --json | digest)

say "Build it again from nothing, in another store: the same digest"
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
ln -s "$SHIPMARK_HOME/cache" "$again/cache"  # what was downloaded may stay
SHIPMARK_HOME="$again" shipmark build --locked examples/digits >"$again/printed"
second=$(SHIPMARK_HOME="$again" shipmark build --locked examples/digits --json | digest)
echo "first   $first"
echo "second  $second"
[ "$first" = "$second" ] || { echo "error: the digests differ" >&2; exit 1; }

say "Start it in a sandbox: read-only, without network, not root"
run shipmark up digits
address=$(shipmark ps digits --json | python -c 'import json, sys; print(json.load(sys.stdin)[0]["address"])')

say "Ask it for a digit it has never seen"
python examples/digits/show.py examples/digits/request.json
printf '$ curl --json @examples/digits/request.json %s/predict\n' "$address"
curl --silent --show-error --fail --json @examples/digits/request.json "$address/predict" >"$again/answer"
cat "$again/answer"
echo
python examples/digits/show.py examples/digits/request.json "$again/answer"

say "It goes on running. To look at it, and to stop it:"
echo "export SHIPMARK_HOME=$SHIPMARK_HOME"
echo "$PWD/.venv/bin/shipmark ps"
echo "$PWD/.venv/bin/shipmark down digits"
