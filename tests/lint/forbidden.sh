#!/bin/sh
# Finds what may stand in no file: a package registry's host, a path of somebody's machine, a note to finish something;
# and in C sources, functions that can't be called safely. The patterns are put together from pieces, or this file would
# find itself.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${LINT_ROOT:-$here/../..}"
found=0

# look WHAT PATTERN FILES...: prints the matches of an extended regular expression.
look() {
    what=$1 pattern=$2
    shift 2
    if matches=$("$here/files.sh" "$@" | tr '\n' '\0' | xargs -0 -r grep -nIE -e "$pattern" --); then
        echo "$matches" | sed "s|^|$what: |"
        found=1
    fi
}

registries="registry\\.np""mjs|py""pi\\.org|python""hosted\\.org|repo1?\\.mav""en|mav""en\\.org|mav""en\\.apache\\.org/rep"
registries="$registries|prox""y\\.golang|crat""es\\.io|deb\\.deb""ian\\.org|archive\\.ubun""tu\\.com"
look "a registry's host" "$registries" -name '*'
look "a path of one machine" "(^|[^A-Za-z0-9_.])/(wor""k/(main|shared|\\.)|ro""ot/|ho""me/[a-z])" -name '*'
look "unfinished" "(^|[^A-Za-z0-9_])(TO""DO|FIX""ME|XX""X)([^A-Za-z0-9_]|\$)" -name '*'

unsafe='strcpy|strcat|strncat|stpcpy|sprintf|vsprintf|gets|atoi|atol|atoll|atof|strtok|system|popen|alloca|tmpnam|mktemp'
unsafe="$unsafe|setjmp|longjmp|pthread_cancel"
look "an unsafe function" "(^|[^A-Za-z0-9_>.\"])($unsafe)[[:space:]]*\\(" \( -name '*.c' -o -name '*.h' \) -a ! -path './tests/*'

exit $found
