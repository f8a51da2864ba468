#!/usr/bin/env bash
# Lays out a tree that runs wherever it is moved: bin/openretina and below lib/
# the libraries it loads, and nothing else.
#
# Usage: install-tree.sh PROGRAM NATIVE DIR
# NATIVE is the prefix that install-libtorch.sh made, DIR gets bin/ and lib/.
set -euo pipefail

program=$1 native=$2 dir=$3

mkdir -p -- "$dir/bin" "$dir/lib"
# Copied under another name and renamed: a program that runs keeps its files.
copy() {
  cp -L -- "$1" "$2/.part"
  mv -- "$2/.part" "$2/$(basename "$1")"
}

while IFS= read -r library; do
  target=$dir/lib/$(dirname "$library")
  mkdir -p -- "$target"
  copy "$native/$library" "$target"
done < <(cd "$native" && find -L torch/lib nvidia openretina hdf5/lib -name '*.so*' \
  ! -name libtorch_python.so ! -name 'libhdf5.so' ! -name '*.part' 2>/dev/null)
copy "$program" "$dir/bin"
