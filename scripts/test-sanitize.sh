#!/usr/bin/env bash
# Runs the tests of pkg/torch with a shim that the address and undefined-behaviour
# sanitizers watch; the first finding ends the tests. The shim is built apart, in a
# prefix that has the libraries of the usual one. `make test-sanitize` calls it with
# build/libtorch.env read.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=$PWD/build/native-sanitize
sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all'

mkdir -p "$prefix/openretina"
for part in torch hdf5 link nvidia .libtorch openretina/libcgotorch.so; do
  if [ -e "$OPENRETINA_NATIVE/$part" ]; then ln -sfn "$OPENRETINA_NATIVE/$part" "$prefix/$part"; fi
done
# Unlike the usual shim, its scratch memory ends where what was asked for ends.
make --no-print-directory -s -j "${JOBS:-2}" -f scripts/native.mk \
  NATIVE="$prefix" GOTORCH="$(go list -m -f '{{.Dir}}' github.com/wangkuiyi/gotorch)" BUILD="$prefix/objects" \
  SANITIZE="$sanitize" SHIMFLAGS="-O1 -g1 -fno-omit-frame-pointer $sanitize -DORT_EXACT_SCRATCH -fopenmp -fvisibility=hidden" \
  "$prefix/openretina/libopenretina_torch.so"

# Go handles its own signals. What is never given back is libtorch's and Go's, not the
# shim's. A tensor too large for any memory is an error that a test wants to see.
asan=detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:allow_user_segv_handler=1:allocator_may_return_null=1:halt_on_error=1
export CGO_LDFLAGS=${CGO_LDFLAGS//"$OPENRETINA_NATIVE"/"$prefix"}
# One test measures the process' memory, which the sanitizer holds back to find late uses.
exec go test -count=1 -skip '^TestManyGoroutinesShareFewThreads$' \
  -exec "env LD_PRELOAD=$("${CXX:-g++}" -print-file-name=libasan.so) ASAN_OPTIONS=$asan UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1" \
  "$@" ./pkg/torch ./pkg/torch/internal/libtorch ./pkg/torch/optim
