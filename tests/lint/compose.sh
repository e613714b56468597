#!/bin/sh
# Checks docker-compose.yml and deploy/Dockerfile without a Docker daemon: the compose specification's schema and common
# mistakes by dclint, Dockerfile rules by hadolint; and, where it is installed, Docker's own reading of the file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${LINT_ROOT:-$here/../..}"
tools=$(cd "$here/../.." && pwd)
dclint=$tools/tests/system/node/node_modules/.bin/dclint
node=$tools/.venv/bin
hadolint=$tools/.venv/bin/hadolint

for tool in "$dclint" "$node/node" "$hadolint"; do
    [ -x "$tool" ] && continue
    echo "missing: $tool (sh setup.sh installs it)"
    [ "${CI:-}" != true ] || exit 1
    echo "SKIPPED: the compose file and the Dockerfile are not checked"
    exit 0
done

status=0
PATH=$node:$PATH "$dclint" --max-warnings 0 -c deploy/dclint.yaml docker-compose.yml || status=1
"$hadolint" --config deploy/hadolint.yaml deploy/Dockerfile || status=1
if docker compose version >/dev/null 2>&1; then
    docker compose -f docker-compose.yml config --quiet || status=1
fi
exit $status
