#!/bin/bash
# Creates the database and the container where they are missing, with signed requests to Cosmos DB's REST API.
#
#   COSMOS_ENDPOINT, COSMOS_KEY (or COSMOS_KEY_FILE), COSMOS_DATABASE, COSMOS_CONTAINER   required
#   PARTITION_KEY_PATH   /pk
#   THROUGHPUT           empty: the account's default
set -euo pipefail

endpoint=${COSMOS_ENDPOINT:?}
key=${COSMOS_KEY:-$(cat "${COSMOS_KEY_FILE:?COSMOS_KEY or COSMOS_KEY_FILE is needed}")}
endpoint=${endpoint%/}
key_hex=$(printf %s "$key" | base64 -d | od -An -v -tx1 | tr -d ' \n')

# signature VERB TYPE LINK DATE: the authorization header's value. The key goes through a file, which ps does not show.
signature() {
    local text digest
    text="$(printf %s "$1" | tr '[:upper:]' '[:lower:]')"$'\n'"$2"$'\n'"$3"$'\n'"$(printf %s "$4" | tr '[:upper:]' '[:lower:]')"$'\n\n'
    digest=$(printf %s "$text" | hmac | base64 -w 0)
    printf 'type%%3Dmaster%%26ver%%3D1.0%%26sig%%3D%s' "$(printf %s "$digest" | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')"
}

# HMAC-SHA256 of standard input by its definition: `openssl dgst` would take the key as an argument.
hmac() {
    local message block=$key_hex inner outer i
    message=$(od -An -v -tx1 | tr -d ' \n')
    if [ ${#block} -gt 128 ]; then
        block=$(unhex "$block" | openssl dgst -sha256 -binary | od -An -v -tx1 | tr -d ' \n')
    fi
    while [ ${#block} -lt 128 ]; do block+="00"; done
    inner="" outer=""
    for ((i = 0; i < 128; i += 2)); do
        inner+=$(printf %02x $((0x${block:i:2} ^ 0x36)))
        outer+=$(printf %02x $((0x${block:i:2} ^ 0x5c)))
    done
    inner=$(unhex "$inner$message" | openssl dgst -sha256 -binary | od -An -v -tx1 | tr -d ' \n')
    unhex "$outer$inner" | openssl dgst -sha256 -binary
}

unhex() {
    printf %b "$(printf %s "$1" | sed 's/../\\x&/g')"
}

# create TYPE PARENT_LINK BODY WHAT [CURL ARGUMENTS]
create() {
    local type=$1 link=$2 body=$3 what=$4 date status reply
    shift 4
    reply=$(mktemp)
    date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
    status=$(curl -sS --retry 5 --retry-connrefused --max-time 60 -o "$reply" -w '%{http_code}' -X POST \
        -H "authorization: $(signature POST "$type" "$link" "$date")" -H "x-ms-date: $date" \
        -H 'x-ms-version: 2018-12-31' -H 'content-type: application/json' "$@" --data "$body" \
        "$endpoint/${link:+$link/}$type")
    case $status in
    201) echo "$what: created" ;;
    409) echo "$what: is there" ;;
    *)
        echo "$what: HTTP $status" >&2
        cat "$reply" >&2
        rm -f "$reply"
        exit 1
        ;;
    esac
    rm -f "$reply"
}

database=${COSMOS_DATABASE:?}
container=${COSMOS_CONTAINER:?}
create dbs "" "{\"id\":\"$database\"}" "database $database"
create colls "dbs/$database" \
    "{\"id\":\"$container\",\"partitionKey\":{\"paths\":[\"${PARTITION_KEY_PATH:-/pk}\"],\"kind\":\"Hash\",\"version\":2}}" \
    "container $container" ${THROUGHPUT:+-H "x-ms-offer-throughput: $THROUGHPUT"}
