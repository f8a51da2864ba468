#!/usr/bin/env bash
# Lists the packages whose tests do not link libtorch.
set -euo pipefail

go list -test -f '{{.ImportPath}} {{.Deps}}' ./... |
  awk '$1 ~ /\.test$/ && !/pkg\/torch\/internal\// { sub(/\.test$/, "", $1); print $1 }'
