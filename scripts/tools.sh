# The places of the tools that scripts/setup installs. Sourced by the other scripts.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
script=$(cd "$(dirname "$0")" && pwd)/${0##*/}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Whether one of the arguments asks for help.
asks_for_help() {
  [[ " $* " == *' --help '* || " $* " == *' -h '* ]]
}

# Prints the comment at the top of the script that was called, and ends it, if help is asked for.
help_if_asked() {
  asks_for_help "$@" || return 0
  awk 'NR == 1 { next } !/^#/ { exit } { sub(/^# ?/, ""); print }' "$script"
  exit
}

# rustup's own tools before any others, and the Node of node_modules before the system's.
PATH="$PWD/node_modules/.bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export PATH
export WRANGLER_SEND_METRICS=false

# Kept outside the checkout, so that a fresh clone builds nothing twice; each name holds its version.
cache=${HEADWATER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headwater}
bindgen=$cache/bindgen-$(cksum <scripts/bindgen/Cargo.lock | tr ' ' -)/bin/bindgen

# The first Python that is new enough and can make virtual environments.
python() {
  local name
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}

# One virtual environment per Python and list of packages.
venv() {
  local version
  version=$("$(python)" -c 'import platform; print(platform.python_version())')
  echo "$cache/python-$version-$(cksum <scripts/requirements.txt | tr ' ' -)"
}

# Runs a program of the tests, such as faults.soak, which finds its modules where pytest.ini has them.
test_program() {
  PYTHONPATH=$PWD/tests:$PWD/scripts/aws:$PWD/scripts/lake exec "$(venv)/bin/python" -m "$@"
}

# Debian's Rust with a Wasm standard library of ours, for machines where rustup can't fetch one.
debian_rust() {
  echo "$cache/debian-rust-$(/usr/bin/rustc --version 2>/dev/null | cut -d' ' -f2)"
}

rustup_has_wasm() {
  [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]
}

# The native program that reads the configuration and the schemas.
check=$PWD/target/debug/headwater-check

# Compiles it if it is older than its sources.
build_check() {
  if [ -x "$check" ]; then
    [ -n "$(find src Cargo.toml Cargo.lock -newer "$check" -print -quit)" ] || return 0
  else
    echo "${0##*/}: compiling what checks the configuration and the schemas; takes a minute or so, once" >&2
  fi
  cargo build --quiet --locked --bin headwater-check
  # What cargo finds unchanged it leaves as old as it was.
  touch "$check"
}
