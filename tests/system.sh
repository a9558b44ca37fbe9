#!/bin/sh
# What the whole test run needs from the system: installed where it can be, named where
# it cannot. Goes on without it, except with CI=true; tests.run lists what was not run.
set -eu

has() { # one of the named programs
    for program in "$@"; do
        if command -v "$program" >/dev/null; then return 0; fi
    done
    return 1
}

find_missing() {
    missing=''
    has chromium chromium-browser google-chrome google-chrome-stable ||
        missing="$missing chromium"
    # Debian keeps the server's programs off the PATH.
    has initdb /usr/lib/postgresql/*/bin/initdb || missing="$missing postgresql"
    has redis-server || missing="$missing redis-server"
    has dot || missing="$missing graphviz"
    has sos || missing="$missing sosreport"
    has sudo || missing="$missing sudo"
    has sshd /usr/sbin/sshd || missing="$missing openssh-server"
    has systemd-tmpfiles || missing="$missing systemd"
    has npm || missing="$missing nodejs npm"
    has c++ || missing="$missing g++"
}

find_missing
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && has apt-get; then
    echo "Installing$missing ..."
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing \
        >/dev/null || echo 'apt-get did not succeed.' >&2
    find_missing
fi
if [ -n "$missing" ]; then
    echo "Missing for the whole test run:$missing" >&2
    echo "On Debian and Ubuntu: sudo apt-get install$missing" >&2
    if [ "${CI:-}" = true ]; then exit 1; fi
fi
