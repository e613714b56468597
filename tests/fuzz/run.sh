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

# The objects come from the Makefile, with coverage for the fuzzer compiled in.
build() {
	CFLAGS="-g -fsanitize=fuzzer-no-link" make -s CC="$clang" SANITIZE=address,undefined OUT="$out" "$@" > "$out/build.log"
}

fuzz_one() {
	name=$1
	object=$out/obj/tests/fuzz/fuzz_$name.o
	archives=
	for folder in producer consumer deadletter sandbox; do
		grep -q "^#include \"$folder/" "tests/fuzz/fuzz_$name.c" && archives="$archives $out/lib/$folder.a"
	done
	archives="$archives $out/lib/common.a"
	# shellcheck disable=SC2086,SC2046 # lists of words
	build "$object" $archives &&
		"$clang" -pthread -fsanitize=fuzzer,address,undefined -o "$out/fuzz_$name" "$object" $archives \
			$(pkg-config --libs $packages) -lm || return 1

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
for name in "$@"; do
	fuzz_one "$name" || failed=1
done
exit $failed
