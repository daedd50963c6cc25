# The places of the tools that scripts/setup installs. Sourced by the other scripts.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
script=$(cd "$(dirname "$0")" && pwd)/${0##*/}
# The options of the script: a sourced file sees them.
is_quiet=
case " $* " in
  *' --quiet '* | *' --json '*) is_quiet=yes ;;
esac
# Where the caller is: paths on the command line are seen from there.
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Ends a script that was called with a wrong word or option. Exit codes are those of scripts/lake/command_line.py.
misuse() {
  echo "${0##*/}: $*; see scripts/${0##*/} --help" >&2
  exit 2
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

# Runs a Python program with the packages of scripts/setup, from where the caller is. Its options are in the script's comment.
run_program() {
  local program=$PWD/$1
  help_if_asked "${@:2}"
  [ -e "$(venv)/installed" ] || scripts/setup >&2
  set -- "$(venv)/bin/python" "$program" "${@:2}"
  cd "$from"
  exec "$@"
}

# The same of one that needs Python alone.
run_plain_program() {
  local program=$PWD/$1 python
  help_if_asked "${@:2}"
  python=$(python) || die "Python 3.11 or newer is missing"
  cd "$from"
  exec "$python" "$program" "${@:2}"
}

# rustup's own tools before any others, and the Node of node_modules before the system's.
PATH="$PWD/node_modules/.bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export PATH
export WRANGLER_SEND_METRICS=false

# Kept outside the checkout, so that a fresh clone builds nothing twice; each name holds its version.
cache=${HEADWATER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headwater}
bindgen=$cache/bindgen-$(cksum <scripts/bindgen/Cargo.lock | tr ' ' -)/bin/bindgen

# Programs to install by hand, each with what to do.
by_hand=(
  rustup "install Rust with rustup"
  cargo "install Rust with rustup"
  cc "install a C compiler, which Rust links with (Debian: gcc)"
  npm "install Node.js with npm"
)
python_by_hand="install Python 3.11 or newer with venv (Debian: python3 and python3-venv)"

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

# One virtual environment per Python and lock of packages; scripts/requirements.lock unless given.
venv() {
  local version
  version=$("$(python)" -c 'import platform; print(platform.python_version())')
  echo "$cache/python-$version-$(cksum <"${1:-scripts/requirements.lock}" | tr ' ' -)"
}

# Runs a program of the tests, such as faults.soak, which finds its modules where pytest.ini has them.
test_program() {
  PYTHONPATH=$PWD/tests:$PWD/scripts/aws:$PWD/scripts/lake:$PWD/scripts/capacity:$PWD/scripts/metrics:$PWD/scripts/typegen exec "$(venv)/bin/python" -m "$@"
}

# Installs the npm packages of a folder's lock in the cache, once a lock, and prints where. None of their scripts is run.
npm_packages() {
  local lock=$1/package-lock.json to
  to=$cache/${1##*/}-$(cksum <"$lock" | tr ' ' -)
  if [ ! -e "$to/installed" ]; then
    echo "  npm ci in $to" >&2
    rm -rf "$to"
    mkdir -p "$to"
    cp "$1/package.json" "$lock" "$to"
    # Said here: a command substitution goes on after an error.
    npm ci --prefix "$to" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null || return
    touch "$to/installed"
  fi
  echo "$to"
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

# Prints how far something is.
say() {
  echo "${0##*/}: $*"
}

# Whether somebody looks on: progress is for a terminal, and not with --quiet or --json. wrangler shows what scripts/build
# prints through a pipe, so scripts/dev says it.
is_watched() {
  [ -z "$is_quiet" ] && { [ -t 2 ] || [ -n "${HEADWATER_PROGRESS:-}" ]; }
}

# Reads cargo's messages, and says every 15 s how many crates are compiled: the first time takes minutes. $1 is what is
# compiled last, the rest are options of `cargo tree`.
progress() {
  local crates=0 all=0 fresh= said=$SECONDS started=$SECONDS line end
  while true; do
    if IFS= read -r -t 15 line; then
      case $line in
        # A crate's build script is no crate.
        *'"kind":["custom-build"]'*) ;;
        *'"reason":"compiler-artifact"'*'"fresh":false'*) crates=$((crates + 1)) ;;
        *'"reason":"compiler-artifact"'*) fresh=yes ;;
      esac
    else
      end=$?
      # Past 128 it has only waited.
      [ $end -gt 128 ] || break
    fi
    if [ $((SECONDS - said)) -ge 15 ] && is_watched; then
      [ $all != 0 ] || all=$(cargo tree --locked "${@:2}" --edges normal,build --prefix none 2>/dev/null | cut -d' ' -f1,2 | sort -u | wc -l)
      case $crates$fresh in
        0) say "no crate compiled after $((SECONDS - started)) s" ;;
        0yes) say "compiling $1 for $((SECONDS - started)) s" ;;
        *) say "$crates of about $all crates compiled after $((SECONDS - started)) s" ;;
      esac
      said=$SECONDS
    fi
  done
}

# What is compiled and bundled is in part other people's code, which needs no account.
without_keys() {
  local name
  for name in $(compgen -e); do
    case $name in
      AWS_* | CLOUDFLARE_* | CF_* | HEADWATER_*KEY | HEADWATER_*KEYS | HEADWATER_*SECRET | HEADWATER_*TOKEN | *_TOKEN | *_PASSWORD) unset "$name" ;;
    esac
  done
}

# Apart from the native builds, which another compiler may have made.
worker_target=$PWD/target/wasm

# Chooses the Rust that has the Wasm target.
use_wasm_rust() {
  ! rustup_has_wasm || return 0
  [ -x "$(debian_rust)/bin/rustc" ] || die "Rust's Wasm target is missing: run scripts/setup"
  PATH=$(debian_rust)/bin:$PATH
  RUSTC=$(debian_rust)/bin/rustc
  export RUSTC
}

# Compiles the worker with the profile $1.
compile_worker() {
  use_wasm_rust
  if [ "$1" = release ]; then
    # Only what holds its bitcode can be a part of LTO.
    export RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/rustc-lto
    # Base64 and UTF-8 by SIMD, which every runtime of Workers has. A panic names its file, but not this machine's folders.
    local flags="-Cembed-bitcode=yes -Ctarget-feature=+simd128 --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=$flags
  fi
  CARGO_TARGET_DIR=$worker_target cargo build --quiet --locked --lib --target wasm32-unknown-unknown --profile "$1" \
    --message-format=json-render-diagnostics | progress "the worker itself" --target wasm32-unknown-unknown
}

# Makes the Wasm $1 of a release smaller and faster. With -g as $2 it keeps its names.
optimize_wasm() {
  # Names go, and a fifth of the size with them. Large functions with one caller stay apart: in one function their
  # variables have larger numbers, which is 8 kB of the gzipped size, and no request is faster for it. Functions are in the
  # order of their names, since gzip sees 32 kB back, and those of a module and of a generic type are alike: that is 13 kB.
  # The features are those that rustc writes and workerd reads.
  local features=(simd mutable-globals sign-ext nontrapping-float-to-int bulk-memory multivalue reference-types exception-handling)
  wasm-opt -O3 --one-caller-inline-max-function-size=20 --reorder-functions-by-name \
    "${2:---strip-debug}" --strip-producers --strip-target-features \
    "${features[@]/#/--enable-}" "$1" -o "$1"
}

# Compiles the check if it is older than its sources, and says so on standard error. $@ goes before cargo, such as nice.
build_check() {
  local what="what checks the configuration and the schemas"
  local why=
  if [ ! -x "$check" ]; then
    why="; takes a minute or so, once"
  elif [ -n "$(find src Cargo.toml Cargo.lock -newer "$check" -print -quit)" ]; then
    why=" again, since the sources have changed; takes a minute or so"
  else
    return 0
  fi
  [ -n "$is_quiet" ] || say "compiling $what$why" >&2
  # A source that is saved meanwhile is newer than this, and so than the program.
  local began
  began=$(mktemp)
  # Without the worker's runtime and what only that needs.
  if ! "$@" cargo build --quiet --locked --bin headwater-check --no-default-features --message-format=json-render-diagnostics |
    progress "$what" --no-default-features >&2; then
    rm "$began"
    return 1
  fi
  # What cargo finds unchanged it leaves as old as it was.
  touch -r "$began" "$check"
  rm "$began"
}
