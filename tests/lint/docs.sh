#!/bin/sh
# The generated pages are what the programs of the build folder generate now, and the pictures what their data say.
set -eu
out=${1:-build}
[ ! -f docs/performance/sweep.csv ] || python3 docs/performance.py --check
[ -f docs/generate.sh ] || exit 0
if [ ! -x "$out/bin/writebehind-consumer" ] || [ ! -x "$out/bin/writebehind-producer" ]; then
    echo "SKIPPED: generated pages are not checked, as the programs are not built in $out"
    exit 0
fi
page=$(mktemp)
trap 'rm -f "$page"' EXIT
sh docs/generate.sh "$out" "$page"
diff -u docs/CONFIGURATION.md "$page" || {
    echo "docs/CONFIGURATION.md is not what the option tables say: make docs"
    exit 1
}
