#!/bin/sh
# Builds every tests/fuzz/fuzz_*.c with libFuzzer, ASan and UBSan and runs each for SECONDS, starting from its seeds in
# tests/fuzz/corpus/<name>/ (with the words of tests/fuzz/corpus/<name>.dict, if there). What it finds worth keeping goes
# to the build directory, not into the seeds. A fuzzer is linked with common and with the programs' folders that it includes.
#
# usage: [BUILD=build] [CLANG=clang] tests/fuzz/run.sh SECONDS [NAME…]     (NAME: json_scan for fuzz_json_scan.c)
# Exit: 0 all ran clean; 1 a crash or a fuzzer that does not build. Without clang's libFuzzer it is skipped loudly,
# or, with CI=true, fails.
set -eu

seconds=${1:?usage: tests/fuzz/run.sh SECONDS [NAME…]}
shift
cd "$(dirname "$0")/../.."
out=${BUILD:-build}-fuzz
clang=${CLANG:-clang}
packages="rdkafka libcurl libcrypto jansson libmicrohttpd gnutls zlib"
mkdir -p "$out/corpus" "$out/crashes"

printf '%s\n' '#include <stddef.h>' 'int LLVMFuzzerTestOneInput(const char *data, size_t size);' \
	'int LLVMFuzzerTestOneInput(const char *data, size_t size) { return data == NULL && size > 0; }' > "$out/probe.c"
if ! "$clang" -fsanitize=fuzzer,address,undefined -o "$out/probe" "$out/probe.c" 2> "$out/probe.log"; then
	echo "fuzz: SKIPPED: $clang with libFuzzer is missing (see $out/probe.log)" >&2
	[ "${CI:-}" = true ] && exit 1
	exit 0
fi

# archives_of NAME: what a fuzzer is linked with, beside its own object.
archives_of() {
	for folder in producer consumer deadletter sandbox; do
		if grep -q "^#include \"$folder/" "tests/fuzz/fuzz_$1.c"; then echo "$out/lib/$folder.a"; fi
	done
	echo "$out/lib/common.a"
}

# The objects come from the Makefile, with coverage for the fuzzer compiled in.
build() {
	CFLAGS="-g -fsanitize=fuzzer-no-link" make -s -k -j"$(nproc)" CC="$clang" OPT=-O2 SANITIZE=address,undefined OUT="$out" "$@" \
		> "$out/build.log"
}

fuzz_one() {
	name=$1
	# shellcheck disable=SC2046,SC2086 # lists of words
	"$clang" -pthread -fsanitize=fuzzer,address,undefined -o "$out/fuzz_$name" "$out/obj/tests/fuzz/fuzz_$name.o" \
		$(archives_of "$name") $(pkg-config --libs $packages) -lm || return 1

	mkdir -p "$out/corpus/$name"
	set -- "$out/corpus/$name"
	[ -d "tests/fuzz/corpus/$name" ] && set -- "$@" "tests/fuzz/corpus/$name"
	[ -f "tests/fuzz/corpus/$name.dict" ] && set -- "-dict=tests/fuzz/corpus/$name.dict" "$@"
	if ! "$out/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$out/crashes/$name-" "$@" > "$out/$name.log" 2>&1; then
		tail -40 "$out/$name.log" >&2
		echo "fuzz: $name FAILED; the input is in $out/crashes/" >&2
		return 1
	fi
	echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$name.log") inputs in $seconds s, no fault"
}

failed=0
if [ $# -eq 0 ]; then
	for source in tests/fuzz/fuzz_*.c; do
		name=$(basename "$source" .c)
		set -- "$@" "${name#fuzz_}"
	done
fi
wanted=
for name in "$@"; do
	wanted="$wanted $out/obj/tests/fuzz/fuzz_$name.o $(archives_of "$name")"
done
# What does not build is missed by the linker below.
# shellcheck disable=SC2046,SC2086 # lists of words
build $(printf '%s\n' $wanted | sort -u) || failed=1

# As many at a time as there are cores: each has one to itself, and all take equally long.
while [ $# -gt 0 ]; do
	started=
	for _ in $(seq "$(nproc)"); do
		[ $# -gt 0 ] || break
		fuzz_one "$1" &
		started="$started $!"
		shift
	done
	for one in $started; do
		wait "$one" || failed=1
	done
done
exit $failed
