#!/usr/bin/env bash
# Runs every fuzz target for a time, one after the other: fuzz.sh 10m [PACKAGE…]
set -euo pipefail

time=${1:?usage: fuzz.sh TIME [PACKAGE…]}
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
for package in $(go list "${@:-./...}"); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "$package $target"
    if go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" 2>&1 | tee "$log"; then continue; fi
    # Go calls a target failed that was at work when the time was up; a real failure names its input.
    if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then continue; fi
    failed=1
  done
done
exit $failed
