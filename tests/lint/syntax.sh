#!/bin/sh
# Reads every script without running it: shell by its own shell and by shellcheck, Python and JavaScript by theirs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${LINT_ROOT:-$here/../..}"
tools=$(cd "$here/../.." && pwd)
status=0
for file in $("$here/files.sh" -name '*.sh' -o -path './.ci/run'); do
    case $(head -n 1 "$file") in
    *bash*) bash -n "$file" || status=1 ;;
    *) sh -n "$file" || status=1 ;;
    esac
done
"$here/files.sh" -name '*.sh' -o -path './.ci/run' | xargs -r "$tools/.venv/bin/shellcheck" --severity=warning || status=1
"$here/files.sh" -name '*.py' | xargs -r python3 -c '
import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name, encoding="utf-8").read(), name)' || status=1
node=.venv/bin/node
if [ -x "$node" ]; then
    for file in $("$here/files.sh" -name '*.mjs'); do
        "$node" --check "$file" || status=1
    done
fi
exit $status
