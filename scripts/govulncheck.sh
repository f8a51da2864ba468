#!/usr/bin/env bash
# Looks for known vulnerabilities in what the program calls: govulncheck.sh PROGRAM
# Without a way to the vulnerability database it says so and lets the build pass.
set -euo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"${1:?usage: govulncheck.sh PROGRAM}" ./... >"$log" 2>&1 || status=$?
# Status 3 means that something was found; 1 that it could not work.
if [ "$status" = 1 ] && grep -qE 'fetching vulnerabilities|vuln\.go\.dev' "$log"; then
  echo "govulncheck: skipped, its database cannot be reached" >&2
  exit 0
fi
cat "$log"
exit "$status"
