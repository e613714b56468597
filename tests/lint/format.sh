#!/bin/sh
# Says which C files are not formatted as .clang-format has it; with --fix, formats them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "${LINT_ROOT:-$here/../..}"
tool=$(cd "$here/../.." && pwd)/.venv/bin/clang-format
[ -x "$tool" ] || {
    echo "missing: $tool (sh setup.sh installs it)" >&2
    exit 1
}
case "${1:-}" in
"") how="--dry-run -Werror --ferror-limit=3" ;;
--fix) how=-i ;;
*)
    echo "usage: format.sh [--fix]" >&2
    exit 2
    ;;
esac
# shellcheck disable=SC2086 # several words
"$here/files.sh" \( -name '*.c' -o -name '*.h' \) | xargs -r "$tool" --style=file $how
