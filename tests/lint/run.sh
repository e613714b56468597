#!/bin/sh
# Runs every check of this folder, and says which found something. Argument: the build folder (default build).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
out=${1:-build}
failed=

check() {
    name=$1
    shift
    if report=$("$@" 2>&1); then
        # What is no finding is still said: a skipped part, a note.
        if [ -n "$report" ]; then echo "$report" | sed "s/^/lint: $name: /"; fi
    else
        echo "$report" | sed "s/^/lint: $name: /"
        failed="$failed $name"
    fi
}

check layers python3 "$here/layers.py"
check functions python3 "$here/functions.py"
check forbidden sh "$here/forbidden.sh"
check headers sh "$here/headers.sh"
check syntax sh "$here/syntax.sh"
check cppcheck sh "$here/cppcheck.sh"
check links sh "$here/links.sh" "$out"
check metrics python3 "$here/metrics.py"
check docs sh "$here/docs.sh" "$out"
check compose sh "$here/compose.sh"
check interfaces sh "$here/interfaces.sh"
check selftest sh "$here/selftest.sh"

if [ -n "$failed" ]; then
    echo "lint: findings in:$failed"
    exit 1
fi
echo "lint: clean"
