#!/bin/sh
# Makes this Mac a runner, in the session of the user who types it: packaging/macos/install.sh HUB TOKEN-FILE [enroll's options]
# Needs Python 3.11 or newer (python.org, Homebrew) and, beside it, the wheel of Botyard (uv build --wheel): no index has
# ours, so what one calls botyard is somebody else's. What it needs comes from an index, by the hashes in requirements/.
# The interpreter stays where it is: macOS gives its rights (screen, clicks) to it, and takes them when it changes.
set -eu
fail() { echo "botyard: $*" >&2; exit 1; }
[ "$(uname)" = Darwin ] || fail "this is for macOS; on Linux paste the line of: botyard runner token"
[ "$(id -u)" != 0 ] || fail "run it as the user whose desktop the bots use, not as root"
[ $# -ge 2 ] || fail "say: install.sh HUB TOKEN-FILE"
hub=$1 token=$2
shift 2
[ -r "$token" ] || fail "$token can't be read"
here=$(cd "$(dirname "$0")" && pwd)
wheel=
for file in "$here"/botyard-*.whl; do [ ! -e "$file" ] || wheel=$file; done
[ -n "$wheel" ] || fail "no wheel of Botyard lies in $here: make one with uv build --wheel --out-dir '$here' in its source"
locks=$here/../../requirements
[ -r "$locks/agent.txt" ] || locks=$here/requirements
[ -r "$locks/agent.txt" ] || fail "put the folder requirements of Botyard's source beside this script"
for python in python3.13 python3.12 python3.11 python3; do
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
  python=
done
[ -n "$python" ] || fail "this needs Python 3.11 or newer: brew install python"
base="$HOME/Library/Application Support/botyard-agent"
[ -x "$base/program/bin/python3" ] || "$python" -m venv "$base/program"
pip() { "$base/program/bin/python3" -m pip install --quiet "$@"; }
pip --require-hashes -r "$locks/agent.txt" -r "$locks/uv.txt" -r "$locks/desktop.txt"
pip --no-index --no-deps --force-reinstall "$wheel"
agent="$base/program/bin/botyard-agent"
"$agent" status >/dev/null 2>&1 || [ $? != 78 ] || "$agent" enroll "$hub" --token "$token" "$@"
"$agent" service install --mode session
"$agent" doctor || true
