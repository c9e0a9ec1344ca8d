#!/usr/bin/env bash
# Make or refresh .venv.  Usage: scripts/setup.sh runtime|dev
#
# Does nothing when the stamp in .venv matches the requirements, pyproject.toml,
# this script and the checkout's place. Everything installed is pinned and
# checked by hash. uv installs in seconds; where uv does not work, or with
# SPAR_SETUP_PIP=1, pip does the same. PYTHON=/path/to/python names the Python to use.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${1:-runtime}
case $profile in
runtime) requirements=requirements.txt ;;
dev) requirements=requirements-dev.txt ;;
*)
    echo "usage: scripts/setup.sh runtime|dev" >&2
    exit 2
    ;;
esac

say() { echo "setup: $*" >&2; }
die() {
    say "$*"
    exit 1
}

# The stamp of a profile: a checksum of all that decides what .venv holds.
key() {
    { pwd -P && cat pyproject.toml requirements-bootstrap.txt "$1" scripts/setup.sh; } | cksum
}
current() {
    [ -x .venv/bin/spar ] && [ "$(cat ".venv/.stamp-$1" 2>/dev/null)" = "$2" ]
}

# One set-up at a time in a checkout (where the system has flock).
if command -v flock >/dev/null; then
    exec 9>.venv.lock
    flock 9
fi

dev_key=$(key requirements-dev.txt)
stamp=$(key "$requirements")
# The development requirements include the runtime ones.
if current dev "$dev_key" || current "$profile" "$stamp"; then
    exit 0
fi

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
if ! .venv/bin/python -c "$new_enough" 2>/dev/null || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=
    no_venv=
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        "$candidate" -c "$new_enough" >/dev/null 2>&1 || continue
        if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            python=$candidate
            break
        fi
        no_venv=$candidate
    done
    if [ -z "$python" ]; then
        [ -z "$no_venv" ] || die "$no_venv has no venv module; install it (on Debian and Ubuntu: apt-get install python3-venv) and run make again."
        die "Spar needs Python 3.11 or newer, and none was found (tried python3, python3.13, python3.12 and python3.11; name another one with PYTHON=/path/to/python make setup)."
    fi
    say "creating .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f .venv/.stamp-*

say "installing the $profile requirements"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore NO_COLOR=1
pip() { .venv/bin/python -m pip --quiet "$@"; }
uv() { .venv/bin/uv --quiet --no-progress "$@"; }

# uv reads none of pip's configuration: carry over a certificate bundle and a
# package index that were set for pip, and trust what the system trusts.
export VIRTUAL_ENV="$PWD/.venv" UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1}
if [ -z "${SSL_CERT_FILE:-}" ] && [ -n "${PIP_CERT:-}" ]; then export SSL_CERT_FILE=$PIP_CERT; fi
if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX=$index; fi
fi

editable=(--no-deps --no-build-isolation --editable .)
with_uv() {
    [ -z "${SPAR_SETUP_PIP:-}" ] &&
        pip install --require-hashes -r requirements-bootstrap.txt &&
        uv pip install --require-hashes -r "$requirements" &&
        uv pip install "${editable[@]}"
}
with_pip() {
    # Of the bootstrap requirements only the build backend.
    sed -n '/^setuptools==/,/[^\\]$/p' requirements-bootstrap.txt >.venv/backend.txt &&
        pip install --require-hashes -r .venv/backend.txt -r "$requirements" &&
        pip install "${editable[@]}"
}
if ! with_uv; then
    say "installing with pip, which takes some minutes"
    with_pip || die "the installation failed; pip's message above says why."
fi

[ -x .venv/bin/spar ] || die "the installation left no .venv/bin/spar."
echo "$stamp" >".venv/.stamp-$profile"
say "done: .venv/bin/spar"
