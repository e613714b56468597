#!/bin/bash
# healthcheck PORT: exit 0 if http://127.0.0.1:PORT/readyz answers 200. The image has no curl; bash can open the port.
set -euo pipefail
port=${1:?usage: healthcheck PORT}
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 3 status <&3
[[ $status == "HTTP/1."?" 200 "* ]]
