#!/bin/sh
# Compiles each header alone: whoever includes one need not know what it needs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${LINT_ROOT:-$here/../..}"
flags="-std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -fsyntax-only"
flags="$flags $(pkg-config --cflags rdkafka libcurl libcrypto jansson libmicrohttpd gnutls zlib)"
# shellcheck disable=SC2016,SC2086 # the inner shell expands $0 and $1; the flags are several words
"$here/files.sh" -name '*.h' | xargs -r -P 2 -n 1 sh -c '
    printf "#include \"%s\"\n" "$1" | eval ${CC:-gcc} $0 -x c - || { echo "$1 does not compile alone"; exit 1; }' "$flags"
