#!/bin/sh
# Runs every benchmark and prints one JSON object a line: tests/bench/bench_*.c as built into OUT/bench, then
# tests/bench/bench_*.sh, which get OUT as argument. What else a benchmark says goes to standard error.
#
# usage: tests/bench/run.sh OUT
set -u

out=${1:?usage: tests/bench/run.sh OUT}
here=$(dirname "$0")
failed=0

for source in "$here"/bench_*.c; do
	[ -e "$source" ] || continue
	name=$(basename "$source" .c)
	"$out/bench/$name" || { echo "$name failed" >&2; failed=1; }
done
for script in "$here"/bench_*.sh; do
	[ -e "$script" ] || continue
	sh "$script" "$out" || { echo "$script failed" >&2; failed=1; }
done
exit $failed
