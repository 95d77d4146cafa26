#!/usr/bin/env bash
# Shows smart-licensing-lab with curl: a license server behind a proxy that wants a password, and a fault.
#
#   npm install --save-dev smart-licensing-agent
#   ./lab.sh [path of smart-licensing-lab]
#
# Needs bash, curl and python3 (to read JSON).
set -euo pipefail
program="${1:-node_modules/.bin/smart-licensing-lab}"
work="$(mktemp -d)"

# Every port is a free one. Without these options, the proxies have the usual ports 3128 and 3129.
"$program" --port 0 --gateway-port 0 --proxy-port 0 --locked-proxy-port 0 --api-port 0 --json >"$work/lab.json" &
lab=$!
trap 'kill "$lab" 2>/dev/null || true; wait "$lab" || true; rm -rf "$work"' EXIT

# The lab prints one line of JSON when it is ready: its addresses, and the files with its secrets and certificates.
until [[ -s "$work/lab.json" ]]; do
  kill -0 "$lab" || exit 1 # the lab ended with an error
  sleep 0.1
done
lab_value() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/lab.json" "$1"; }
url="$(lab_value url)/smart-agent/v1/register"
proxy="$(lab_value lockedProxy)"
user="$(lab_value proxyUsername)"
password="$(<"$(lab_value proxyPasswordFile)")"

# Replace this function by your product. It prints the status of the license server and of the proxy, and curl's error.
product() {
  curl --silent --max-time 5 --cacert "$(lab_value trustFile)" --proxy "$proxy" --noproxy '' --proxy-user "$1" --json '{}' \
    --output /dev/null --write-out 'license server %{http_code}, proxy %{http_connect} %{errormsg}\n' "$url" || true
}

# Calls the fault API. A header in a file is not visible in the list of processes.
api() {
  local method="$1" path="$2"
  shift 2
  curl --silent --show-error --fail-with-body --noproxy "*" --request "$method" "$@" "$(lab_value api)/$path" \
    --header @<(printf 'Authorization: Bearer %s' "$(<"$(lab_value bearerFile)")")
}

echo '== the right password: the request comes to the license server, which refuses an empty one'
product "$user:$password"

echo '== a wrong password: the proxy refuses the tunnel'
product "$user:wrong"

echo '== the fault tls-expired: the certificate of the license server has expired'
api PUT chaos --json '{"faults": ["tls-expired"]}' && echo
product "$user:$password"

echo '== no fault'
api DELETE chaos && echo
product "$user:$password"

echo '== what came to the proxies and to the license server'
api GET tunnels && echo
api GET requests && echo
