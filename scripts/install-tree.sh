#!/usr/bin/env bash
# Lays out a tree that runs wherever it is moved: bin/openretina, below lib/ the
# libraries it loads, below share/ their licences, and nothing else.
#
# Usage: install-tree.sh PROGRAM NATIVE DIR
# NATIVE is the prefix that install-libtorch.sh made, DIR gets bin/, lib/ and share/;
# PROGRAM becomes DIR/bin/openretina.
set -euo pipefail

program=$1 native=$2 dir=$3

mkdir -p -- "$dir/bin" "$dir/lib"
# Copies file $1 to $2, under another name at first: a program that runs keeps its files.
copy() {
  cp -L -- "$1" "$2.part"
  mv -- "$2.part" "$2"
}

while IFS= read -r library; do
  mkdir -p -- "$(dirname "$dir/lib/$library")"
  copy "$native/$library" "$dir/lib/$library"
done < <(cd "$native" && find -L torch/lib nvidia openretina hdf5/lib -name '*.so*' \
  ! -name libtorch_python.so ! -name 'libhdf5.so' ! -name '*.part' 2>/dev/null)
if [ -d "$native/licenses" ]; then
  mkdir -p -- "$dir/share/licenses/openretina"
  cp -R -- "$native/licenses/." "$dir/share/licenses/openretina"
fi
copy "$program" "$dir/bin/openretina"
