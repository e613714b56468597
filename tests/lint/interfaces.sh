#!/bin/sh
# Checks the two documents of the interfaces by spectral: docs/openapi.json and docs/asyncapi.yaml.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
spectral=tests/system/node/node_modules/.bin/spectral
node=.venv/bin

for tool in "$spectral" "$node/node"; do
    [ -x "$tool" ] && continue
    echo "missing: $tool (sh setup.sh installs it)"
    [ "${CI:-}" != true ] || exit 1
    echo "SKIPPED: docs/openapi.json and docs/asyncapi.yaml are not checked"
    exit 0
done

status=0
# Says something only where there is a finding.
look() {
    PATH=$node:$PATH "$spectral" lint --quiet --fail-severity warn -r "$here/$1" "$2" 2>&1 || status=1
}
report=$(
    look spectral-openapi.yaml docs/openapi.json
    look spectral-asyncapi.yaml docs/asyncapi.yaml
    exit $status
) || status=1
[ $status -eq 0 ] || echo "$report"
exit $status
