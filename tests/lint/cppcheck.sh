#!/bin/sh
# Static analysis of the programs. What is left out has been looked at and is wrong about correct code here: it does not
# follow error codes (uninitvar, nullPointerOutOfMemory) nor the compound literals of the logging macros
# (unknownEvaluationOrder); sanitizers and -Wmaybe-uninitialized watch the same ground.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
exec .venv/bin/cppcheck -q -j 2 --std=c11 --enable=warning,performance,portability --error-exitcode=1 -D_GNU_SOURCE -I. \
    --max-configs=4 --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=unknownMacro \
    --suppress=uninitvar --suppress=nullPointerOutOfMemory --suppress=unknownEvaluationOrder \
    common producer consumer deadletter sandbox examples
