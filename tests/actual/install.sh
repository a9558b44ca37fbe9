#!/bin/sh
# Installs what tests/actual.py runs into the folder named first: exactly what the lock
# file beside this script says. Its one native module is compiled against the node that
# comes from the registry too, since the system's may be too old.
set -eu
here=$(dirname "$0")
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cp "$here/package.json" "$here/package-lock.json" "$folder"
npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error

modules=$folder/node_modules
for node in "$modules"/node-linux-*; do
    if [ ! -x "$node/bin/node" ]; then
        echo 'No node for this machine: tests with an Actual server are skipped.' >&2
        exit 0
    fi
    echo 'Compiling better-sqlite3 for the Actual server ...'
    PATH=$node/bin:$PATH node "$modules/node-gyp/bin/node-gyp.js" rebuild --release \
        --directory "$modules/better-sqlite3" --nodedir "$node" \
        >"$folder/build.log" 2>&1 || { tail -n 40 "$folder/build.log" >&2; exit 1; }
done
