# Sourced by the scripts that install something: what they share. Sets nothing but functions and `root`.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

require_root() { [ "$(id -u)" = 0 ] || die 'must run as root (network namespaces and packages need it): try sudo'; }

# ensure_packages program:package…  A program that is already there, from wherever, is not installed again.
ensure_packages() {
  local entry missing=()
  for entry in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
  done
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

install_packages() {
  local log had_policy=1
  command -v apt-get >/dev/null || die "this is not Debian: install these first: $*"
  log=$(mktemp)
  say "installing Debian packages: $*"
  # Packages that bring a service (nginx) must not start it: only the guide's pods run them.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    had_policy=0
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
  fi
  export DEBIAN_FRONTEND=noninteractive
  local ok=1
  { apt-get -qq update && apt-get -qq -y --no-install-recommends install "$@"; } >"$log" 2>&1 || ok=0
  [ $had_policy = 1 ] || rm -f /usr/sbin/policy-rc.d
  if [ $ok = 0 ]; then
    tail -n 20 "$log" >&2
    die "apt-get could not install: $* (whole log: $log)"
  fi
  rm -f "$log"
}

# unpack_packages DIRECTORY program:package…  Programs that are not there come from Debian packages that are unpacked
# aside, with the libraries they lack: nothing is installed, no service of theirs is ever started. Last in PATH.
unpack_packages() {
  local directory=$1 entry missing=() archive library
  shift
  PATH=$PATH:/usr/sbin:/sbin:$directory/usr/bin:$directory/usr/sbin
  export PATH
  for entry in "$@"; do
    # What is no program for anybody to call has a path.
    command -v "${entry%%:*}" >/dev/null || [ -x "$directory${entry%%:*}" ] || missing+=("${entry##*:}")
  done
  if [ ${#missing[@]} != 0 ]; then
    command -v apt-get >/dev/null || die "this is not Debian: install these first: ${missing[*]}"
    say "unpacking Debian packages aside: ${missing[*]}"
    mkdir -p "$directory/archives/partial"
    { download_packages "$directory" "${missing[@]}" || { apt-get -qq update && download_packages "$directory" "${missing[@]}"; }; } >/dev/null 2>&1 ||
      die "could not download ${missing[*]}: is the Debian mirror reachable?"
    for archive in "$directory"/archives/*.deb; do dpkg -x "$archive" "$directory" || die "could not unpack $archive"; done
    rm -rf "$directory/archives"
  fi
  for library in "$directory"/{,usr/}lib/*-linux-gnu; do
    [ ! -d "$library" ] || export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$library"
  done
}

# download_packages DIRECTORY PACKAGE…  With what they need that is not installed, into DIRECTORY/archives.
download_packages() {
  apt-get -qq -y --no-install-recommends --download-only -o "Dir::Cache::archives=$1/archives" install "${@:2}"
}

# The Node.js that npm pinned, if it is there and runs on this processor.
find_node() {
  local candidate
  for candidate in "$root"/node_modules/node-linux-*/bin/node; do
    if [ -x "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then
      printf '%s' "$candidate"
      return
    fi
  done
}

# Installs what package-lock.json says, unless that is there already, and puts the pinned Node.js first in PATH.
ensure_node_modules() {
  local lock log node
  lock=$(sha256sum <"$root/package-lock.json")
  if [ "$(cat "$root/node_modules/.weft-lock" 2>/dev/null)" != "$lock" ]; then
    say 'installing npm packages'
    log=$(mktemp)
    if ! (cd "$root" && npm ci --no-progress) >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      die "npm ci failed: is the npm registry reachable? (whole log: $log)"
    fi
    rm -f "$log"
    printf '%s' "$lock" >"$root/node_modules/.weft-lock"
  fi
  node=$(find_node)
  [ -n "$node" ] || die 'npm installed no Node.js 24 for this processor: weft runs on x64 and arm64'
  PATH=$(dirname "$node"):$PATH:/usr/sbin:/sbin
  export PATH
}

# Builds dist/weft.js unless it is newer than every source file, and the CNI plugin once there is a compiler.
ensure_bundle() {
  if [ ! -f "$root/dist/weft.js" ] || { [ ! -f "$root/dist/weft-cni" ] && command -v cc >/dev/null; } ||
    [ -n "$(find "$root"/{agent,api,cni,netns,iptables,dns,scripts/build.ts,package-lock.json} -newer "$root/dist/weft.js" -type f -print -quit)" ]; then
    say 'building dist/weft.js'
    (cd "$root" && node scripts/build.ts) || die 'the build failed'
  fi
}
