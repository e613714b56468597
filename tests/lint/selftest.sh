#!/bin/sh
# Plants violations in a small tree and sees that each check finds its own, and nothing in the tree without them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
export LINT_ROOT="$tree" LINT_ROWS="$tree/rows.txt"
failures=0

# A tree that is as it should be.
plant() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/base" "$tree/contract" "$tree/one" "$tree/two" "$tree/tests"
    cat >"$tree/rows.txt" <<EOF
layers base < contract < one two
rows base: low < high < split.h < inner < split.c
rows contract: record
rows one: part < main
rows two: main
library jansson.h: one/part
library librdkafka/: two/main
library librdkafka/mock.h: base/high
EOF
    for header in base/low base/high base/split base/inner contract/record one/part tests/tool; do
        guard=$(echo "WB_${header}_H" | tr a-z/ A-Z_)
        printf '#ifndef %s\n#define %s\n#include <stddef.h>\nsize_t %s(void);\n#endif\n' "$guard" "$guard" \
            "$(echo "$header" | tr / _)" >"$tree/$header.h"
    done
    printf '#include "base/high.h"\n#include "base/low.h"\n' >"$tree/base/high.c"
    printf '#include "base/split.h"\n#include "base/inner.h"\n' >"$tree/base/split.c"
    printf '#include "base/split.h"\n' >>"$tree/base/inner.h"
    printf '#include "one/part.h"\n#include <jansson.h>\n#include "contract/record.h"\n' >"$tree/one/part.c"
    printf '#include "one/part.h"\n#include "base/low.h"\n' >"$tree/one/main.c"
    printf '#include <librdkafka/rdkafka.h>\n' >"$tree/two/main.c"
    printf '#include "tests/tool.h"\n#include "one/part.h"\n#include "two/main.c"\n' >"$tree/tests/test_one.c"
}

# expect WHAT TEXT COMMAND...: the check must fail and say TEXT.
expect() {
    what=$1 text=$2
    shift 2
    if report=$("$@" 2>&1); then
        echo "$what: not found"
        failures=1
    elif ! echo "$report" | grep -qF -- "$text"; then
        echo "$what: found, but not said as '$text':"
        echo "$report" | sed 's/^/    /'
        failures=1
    fi
}

clean() {
    if ! report=$("$@" 2>&1); then
        echo "$1 ${2:-}: finds something in a clean tree:"
        echo "$report" | sed 's/^/    /'
        failures=1
    fi
}

layers() { python3 "$here/layers.py"; }
functions() { python3 "$here/functions.py"; }
forbidden() { sh "$here/forbidden.sh"; }
headers() { sh "$here/headers.sh"; }
metrics() { python3 "$here/metrics.py"; }

plant
clean layers
clean functions
clean forbidden
clean headers

# include FILE LINE TEXT: an include too many in an otherwise clean tree.
include() {
    plant
    echo "#include $2" >>"$tree/$1"
    expect "$1 including $2" "$3" layers
}
include base/low.h '"base/high.h"' 'high.h does not stand in a lower row than low.h'
include base/low.c '"base/high.h"' 'high.h does not stand in a lower row than low.c'
include base/inner.c '"base/split.c"' 'is not a header'
include base/split.h '"base/inner.h"' 'inner.h does not stand in a lower row than split.h'
include base/low.h '"contract/record.h"' 'contract is not a lower layer than base'
include one/main.c '"two/main.h"' 'is not a path from the root'
include one/main.c '"part.h"' 'is not a path from the root'
include one/main.c '"tests/tool.h"' 'nothing outside tests/ includes tests/'
include one/main.c '<jansson.h>' '<jansson.h> is fenced'
include base/low.c '<librdkafka/rdkafka.h>' 'library librdkafka/ may be used by two/main only'
include two/main.c '<librdkafka/mock.h>' 'library librdkafka/mock.h may be used by base/high only'
include one/new.c '<stddef.h>' 'one/new.c: new stands in no row of one'
include one/main.h '"two/main.c"' 'is not a header'

plant
touch "$tree/two/part.h"
sed -i 's/^rows two: main/rows two: part < main/' "$tree/rows.txt"
echo '#include "two/part.h"' >>"$tree/one/main.c"
expect "a program including another" 'two is not a lower layer than one' layers
plant
mkdir "$tree/three" && touch "$tree/three/x.c"
expect "a folder without a layer" 'folder three stands in no layer' layers
plant
rm "$tree/contract/record.h"
expect "a row of nothing" 'contract has no record' layers
plant
echo 'row base: x' >>"$tree/rows.txt"
expect "a misspelt line" 'not understood' layers

lines() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) print "\tx++;" }'; }
plant
{ printf 'void f(void)\n{\n' && lines 79 && echo '}'; } >"$tree/one/main.c"
expect "a function of 81 lines" 'one/main.c:2: 81 lines' functions
plant
{ printf 'void f(void)\n{\n' && lines 78 && echo '}'; } >"$tree/one/main.c"
clean functions
plant
lines 701 >"$tree/one/main.c"
expect "a file of 701 lines" '701 lines' functions

# contains FILE LINE TEXT
contains() {
    plant
    echo "$2" >>"$tree/$1"
    expect "$1 with $2" "$3" forbidden
}
contains one/main.c "	str""cpy(a, b);" 'an unsafe function: one/main.c'
contains one/main.c "	n = ato""i(s);" 'an unsafe function: one/main.c'
contains one/part.h "int x = spr""intf(a, b);" 'an unsafe function: one/part.h'
contains one/notes.md "TO""DO: more" 'unfinished: one/notes.md'
contains one/notes.md "see /wor""k/main/x" 'a path of one machine: one/notes.md'
contains one/notes.md "cp /ho""me/me/x" 'a path of one machine: one/notes.md'
contains one/lock.json "https://registry.np""mjs.org/x" "a registry's host: one/lock.json"
contains one/reqs.txt "https://files.python""hosted.org/x" "a registry's host: one/reqs.txt"
plant
printf '\tsnprintf(a, b);\n\tfgets(a);\n\tx->system(1);\n\tstrtok_r(a);\n' >>"$tree/one/main.c"
printf 'mktemp /tmp/x.XX''XXXX\nnetwork/main\n' >"$tree/one/notes.md"
clean forbidden

plant
echo 'uint32_t f(void);' >>"$tree/base/low.h"
expect "a header that needs another" 'base/low.h does not compile alone' headers
plant
echo 'static int unused_variable_in_header' >>"$tree/one/part.h"
expect "a header with an error" 'one/part.h does not compile alone' headers

# metric SOURCE ROW TEXT: a metric that is made, one that the page names, and what is to be found; "" where all is well.
metric() {
    plant
    mkdir -p "$tree/docs" "$tree/deploy" "$tree/consumer"
    printf '%s\n' "$1" >"$tree/consumer/main.c"
    printf '## Every service\n\n%s\n' "$2" >"$tree/docs/METRICS.md"
    printf '%s\n' "${4:-}" >"$tree/deploy/prometheus-alerts.yml"
    if [ -z "$3" ]; then clean metrics; else expect "metric $1" "$3" metrics; fi
}
row='| `writebehind_a_total` | counter | things | `x` | meaning | |'
# shellcheck disable=SC2016
made='c = wb_metrics_counter(m, "writebehind_a_total", "A", "");'
metric "$made" "$row" ''
metric "$made" '' 'does not name writebehind_a_total'
metric '' "$row" 'which no source makes'
metric 'g = wb_metrics_gauge(m, "writebehind_a_total", "A", "");' "$row" "made as ['gauge']"
metric "$made" '| `writebehind_a_total` | counter | things | | |' '5 columns, not 6'
metric "$made" '| `writebehind_a_total` | gauge | things | | meaning | |' '_total is how counters end'
metric "$made" "$row
$row" 'stands twice'
metric "$made" "$row" 'uses writebehind_b, which is not documented' 'expr: rate(writebehind_b_count[5m]) > writebehind_a_total'

[ "$failures" -eq 0 ] || exit 1
