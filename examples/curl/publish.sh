#!/bin/sh
# Publishes a job and waits for its end.
#   sh publish.sh BODY.json         WRITEBEHIND_URL, WRITEBEHIND_TOKEN; exit 0: Succeeded, 1: anything else
# curl's --retry knows 429, 503 and Retry-After; one Idempotency-Key for all attempts: the job is published once.
set -eu
base=${WRITEBEHIND_URL:-http://127.0.0.1:8080}
answer=$(mktemp)
trap 'rm -f "$answer" "$answer.token"' EXIT
# Not on the command line, where every user could read it.
(umask 077 && echo "header = \"Authorization: Bearer ${WRITEBEHIND_TOKEN:-}\"" >"$answer.token")

call() {
    for _ in 1 2 3 4 5; do
        curl --silent --show-error --fail-with-body --max-time 60 --retry 60 --retry-max-time 120 --retry-connrefused \
            ${WRITEBEHIND_TOKEN:+--config "$answer.token"} --output "$answer" "$@" && return
        [ $? -ne 22 ] || break # an answer that says no; all else is a lost connection
        sleep 1
    done
    echo "refused: $(cat "$answer")" >&2
    exit 1
}
member() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$answer"
}

call "$base/v1/jobs" -H 'Content-Type: application/json' --data-binary "@${1:?usage: publish.sh BODY.json}" \
    -H "Idempotency-Key: $(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
job=$(member jobId)
echo "accepted: $job"
while true; do
    call "$base/v1/jobs/$job?wait=30"
    status=$(sed -n 's/^{"jobId":"[0-9a-f]*","status":"\([A-Za-z]*\)".*/\1/p' "$answer")
    case $status in
    Succeeded) break ;;
    Failed)
        cat "$answer" >&2
        exit 1
        ;;
    esac
    sleep 1
done
echo "$status"
