#!/bin/sh
# Makes this machine a runner of the Botyard hub that this script came from. The hub filled in what stands in the next
# lines; the enrolment token comes by standard input. All that is work is Python, and lies in the bundle.
#   echo TOKEN | sudo sh -c "$(curl … HUB/install.sh)" install --slots 2     without sudo: for your own session
set -eu
umask 022
hub=@HUB@
hub_id=@HUB_ID@
plain=@PLAIN@
authority=@AUTHORITY@
# Lines of: platform sha256 name. They came by the pinned line, so whatever brings the bundle is found out.
bundles=@BUNDLES@

fail() { echo "botyard: $1" >&2 && exit 1; }

suitable() { # PYTHON: prints "sha256 name" of the bundle for it; fails, having said its kind where the hub has none
  "$1" -I -c '
import os, platform, sys, sysconfig
if sys.version_info < (3, 11) or (os.geteuid() == 0 and sys.base_prefix.startswith(("/root/", "/home/"))):
    sys.exit(3)
kind = sysconfig.get_config_var("SOABI") or ""
kind += "" if sys.platform == "linux" else "-" + platform.machine()
found = [line.split(" ", 1)[1] for line in sys.argv[1].splitlines() if line.split(" ", 1)[0] == kind]
print(found[0] if found else kind)
sys.exit(not found)' "$bundles" 2>/dev/null
}

main() {
  chosen='' lacking=''
  for python in python3 /usr/bin/python3 python3.11 python3.12 python3.13 python3.14; do
    if found=$(suitable "$python"); then chosen=$python && break; fi
    lacking=${found:-$lacking}
  done
  [ -n "$chosen" ] || [ -z "$lacking" ] || fail "$hub has no bundle for $lacking: make one on such a machine (botyard hub bundle build) and put it into the hub's folder bundles"
  [ -n "$chosen" ] || fail "this needs Python 3.11 or newer, and found none: install python3 (Debian 12, Ubuntu 24.04 or newer have it)"

  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM HUP
  file=$work/${found#* }
  "$chosen" -I - "$hub/install/bundle/${found#* }" "${found%% *}" "$file" <<'PYTHON' || exit 1
import hashlib, ssl, sys, urllib.request
url, wanted, file = sys.argv[1:]
try:
    # The digest says what it is, so that nobody's certificate has to.
    with urllib.request.urlopen(url, timeout=60, context=ssl._create_unverified_context()) as answer:
        body = answer.read()
except OSError as error:
    sys.exit(f"botyard: the bundle did not come from {url}: {error}")
if hashlib.sha256(body).hexdigest() != wanted:
    sys.exit("botyard: the bundle is not what the hub says it is; nothing was installed")
open(file, "wb").write(body)
PYTHON
  [ -z "$authority" ] || printf '%s\n' "$authority" >"$work/ca.pem"
  set -- "$file" --hub "$hub" --hub-id "$hub_id" ${plain:+--insecure} ${authority:+--ca "$work/ca.pem"} "$@"
  "$chosen" -I "$@" || exit
}

main "$@"
