#!/usr/bin/env bash
# Go's external linker for bin/openretina (go build -ldflags=-extld=scripts/link.sh):
# the C compiler, less every run path that does not start at $ORIGIN. gotorch's cgo
# directives name the module cache, build/libtorch.env names this machine's prefix;
# neither may be looked into by a program that was installed elsewhere.
set -euo pipefail

kept=()
while [ $# -gt 0 ]; do
  case $1 in
    -Wl,-rpath) [[ ${2:-} == *\$ORIGIN* ]] && kept+=("$1" "$2"); shift ;;
    -Wl,-rpath,*\$ORIGIN* | -Wl,-rpath=*\$ORIGIN*) kept+=("$1") ;;
    -Wl,-rpath,* | -Wl,-rpath=*) ;;
    *) kept+=("$1") ;;
  esac
  shift
done
read -ra compiler <<<"${CC:-gcc}"
exec "${compiler[@]}" "${kept[@]}"
