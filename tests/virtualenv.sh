#!/bin/sh
# Makes the virtual environment $1 with the first Python that is new enough.
set -eu

python=''
for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ -z "$python" ]; then
    echo 'Handrail needs Python 3.11 or newer, and found none on the PATH.' >&2
    exit 1
fi

# Debian keeps what venv needs in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "$package" >/dev/null
    else
        echo "$python cannot make a virtual environment. On Debian and Ubuntu: " \
            "sudo apt-get install $package" >&2
        exit 1
    fi
fi
# Half an environment would pass for a whole one.
trap 'rm -rf "$1"' EXIT INT TERM
"$python" -m venv --clear "$1"
trap - EXIT INT TERM
