#!/usr/bin/env bash
# Runs every fuzz target for a time, one after the other: fuzz.sh 30s
set -euo pipefail

time=${1:?usage: fuzz.sh TIME}
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "$package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
  done
done
