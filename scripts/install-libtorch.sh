#!/usr/bin/env bash
# Installs the native half of openretina: libtorch, HDF5, and the C++ that joins
# them to Go. Run it again at any time: what is there and unchanged is kept.
set -euo pipefail

readonly torch_version=2.11.0
readonly layout=1 # raise it when what this script puts in the prefix changes
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly repo
readonly env_file=$repo/build/libtorch.env
readonly prefix_file=$repo/build/prefix # holds a prefix that is not lib/

usage() {
  cat <<EOF
Usage: scripts/install-libtorch.sh [--cpu | --cuda | --zip FILE|URL] [--prefix DIR] [--keep-downloads]

Puts libtorch $torch_version and HDF5 into DIR, builds the C++ libraries against them, and
writes build/libtorch.env:  . build/libtorch.env && go test ./...

  --cpu             pinned wheels from the package index, without CUDA (the default)
  --cuda            the same with CUDA: one program for CPU and GPU
  --zip FILE|URL    an official libtorch zip; URL#sha256=HEX checks it
  --prefix DIR      where to install (default: where it was, else lib/ in the checkout)
  --keep-downloads  keep the wheels in build/downloads, and use those that are there

Environment:
  LIBTORCH=DIR      use this libtorch (DIR/lib, DIR/include) instead of installing one
  HDF5_DIR=DIR      use this libhdf5 (1.14 or newer; DIR/lib) instead of the pinned one
  JOBS=N            compile N files at once (default: by cores and free memory)

Without --cpu, --cuda, --zip and LIBTORCH an existing prefix keeps the kind it has.
Tried on Linux x86_64 (Debian 12, Ubuntu 24.04). The wheels for Linux aarch64 are pinned too, but untried.
EOF
}

say() { printf 'install-libtorch: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# --- what to install ---------------------------------------------------------

parse_arguments() {
  kind='' zip='' prefix='' keep=''
  while [ $# -gt 0 ]; do
    case $1 in
      --cpu) kind=cpu ;;
      --cuda) kind=cuda ;;
      --zip) kind=zip zip=${2:?--zip needs a FILE or URL} && shift ;;
      --prefix) prefix=${2:?--prefix needs a DIR} && shift ;;
      --keep-downloads) keep=yes ;;
      -h | --help) usage && exit 0 ;;
      *) die "unknown argument '$1'; see --help" ;;
    esac
    shift
  done
  if [ -z "$prefix" ] && [ -f "$prefix_file" ]; then prefix=$(cat "$prefix_file"); fi
  prefix=$(realpath -m -- "${prefix:-$repo/lib}")
  case "$prefix$repo" in
    *[[:space:]\'\"\$]*) die "the paths of the checkout and of the prefix must have no spaces, quotes or dollar signs: $repo, $prefix" ;;
  esac
}

# The stamp is the prefix's identity: what is in it, and by which rules it got there.
stamp_value() {
  case $1 in
    cpu | cuda)
      echo "layout $layout: $1 wheels"
      requirements "$1"
      ;;
    zip) echo "layout $layout: zip $zip $(stat -c '%s %Y' -- "$zip" 2>/dev/null || true)" ;;
    existing)
      local dir
      dir=$(realpath -- "$LIBTORCH")
      echo "layout $layout: existing $dir $(stat -c '%s %Y' -- "$dir/lib/libtorch_cpu.so" 2>/dev/null || true)"
      ;;
  esac
  [ -z "${HDF5_DIR:-}" ] || echo "hdf5 $HDF5_DIR"
}

# Prints the pinned wheels of a kind, one requirement a line.
requirements() {
  local files=("$repo/scripts/libtorch/$arch.txt")
  [ "$1" = cpu ] || files+=("$repo/scripts/libtorch/$arch-cuda.txt")
  grep -hv '^#' "${files[@]}"
}

choose_kind() {
  installed=''
  [ ! -f "$prefix/.libtorch" ] || installed=$(cat "$prefix/.libtorch")
  if [ -n "${LIBTORCH:-}" ]; then
    [ -z "$kind" ] || die "LIBTORCH is set and --$kind was given: choose one"
    kind=existing
  elif [ -z "$kind" ]; then
    case $installed in
      *": cuda wheels"*) kind=cuda ;;
      *": zip "* | *": existing "*) kind=as-installed ;;
      *) kind=cpu ;;
    esac
  fi
}

up_to_date() {
  [ -e "$prefix/torch/lib/libtorch_cpu.so" ] && [ -e "$prefix/hdf5/lib/libhdf5.so" ] || return 1
  [ "$kind" = as-installed ] || [ "$installed" = "$(stamp_value "$kind")" ]
}

# --- checks before any work --------------------------------------------------

check_platform() {
  arch=$(uname -m)
  if [ "$(uname -s)" != Linux ]; then
    die "$(uname -s) is not supported: Linux x86_64 is what was tried, Linux aarch64 is pinned but untried"
  fi
  [ -f "$repo/scripts/libtorch/$arch.txt" ] && return
  if [ -z "${LIBTORCH:-}" ] || [ -z "${HDF5_DIR:-}" ]; then
    die "no pinned wheels for Linux $arch (x86_64: tried; aarch64: pinned, untried); give LIBTORCH=DIR and HDF5_DIR=DIR with your own builds"
  fi
}

# Debian's pip answers as `python3 -m pip`; a pip outside the interpreter as pip3.
find_pip() {
  local candidate
  for candidate in 'python3 -m pip' pip3 pip; do
    read -ra pip <<<"$candidate"
    if pip_version=$("${pip[@]}" --version 2>/dev/null | cut -d' ' -f2) && [ -n "$pip_version" ]; then return 0; fi
  done
  return 1
}

check_tools() {
  local packages=() other=() go_wanted go_found pip_version
  if ! echo '#include <optional>' | g++ -std=c++17 -fsyntax-only -x c++ - 2>/dev/null; then packages+=(g++); fi
  command -v make >/dev/null || packages+=(make)
  if ! python3 -c 'import sys, zipfile, zlib; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
    packages+=(python3 python3-pip)
  elif [ -n "$(wanted_wheels)" ]; then
    if ! find_pip; then
      packages+=(python3-pip)
    else
      version_at_least "$pip_version" 20.3 || other+=("pip 20.3 or newer (found $pip_version): python3 -m pip install --user --upgrade pip")
    fi
  fi
  go_wanted=$(sed -n 's/^go //p' "$repo/go.mod")
  go_found=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//') || true
  if [ -z "$go_found" ]; then
    other+=("Go $go_wanted or newer: https://go.dev/doc/install")
  elif ! version_at_least "$go_found" "$go_wanted"; then
    # From 1.21 on, go fetches the toolchain that go.mod asks for, unless told not to.
    if ! version_at_least "$go_found" 1.21 || [ "$(go env GOTOOLCHAIN)" = local ]; then
      other+=("Go $go_wanted or newer (found $go_found): https://go.dev/doc/install")
    fi
  fi
  [ ${#packages[@]} = 0 ] || other+=("${packages[*]}, on Debian or Ubuntu: apt-get install ${packages[*]}")
  [ ${#other[@]} = 0 ] || die "missing: $(printf '%s; ' "${other[@]}" | sed 's/; $//')"
}

version_at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Compares free space with the most that lies on the disk at one time: downloads and what they unpack to.
check_space() {
  local needed free
  case $kind in
    cpu) needed=1700 ;;
    cuda) needed=8000 ;;
    zip) needed=1500 ;;
    *) needed=100 ;;
  esac
  free=$(($(df -Pk -- "$parent" | awk 'NR == 2 { print $4 }') / 1024))
  [ "$free" -ge "$needed" ] || die "not enough disk space in $parent: $needed MB needed, $free MB free"
}

check_libc() {
  local found
  found=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2) || true
  if [ -z "$found" ] || ! version_at_least "$found" 2.28; then
    die "the pinned wheels need glibc 2.28 or newer (found ${found:-another C library}); give LIBTORCH=DIR and HDF5_DIR=DIR with your own builds"
  fi
}

# --- a stage beside the prefix, renamed when it is complete ------------------

# Opens the stage and locks the folder that holds it until the script ends. A stage
# that a killed run left behind is swept away, the prefix it had set aside put back.
open_stage() {
  local left
  exec 9<"$parent"
  if command -v flock >/dev/null && ! flock -n 9; then
    say "another installation is at work in $parent: waiting for it"
    run flock 9
  fi
  for left in "$parent/.$(basename "$prefix").stage."*; do
    [ -d "$left" ] || continue
    restore "$left"
    rm -rf -- "$left"
  done
  log=$(mktemp) # not in the stage: it must be writable when the stage's disk is full
  stage=$(mktemp -d "$parent/.$(basename "$prefix").stage.XXXXXX")
  chmod 755 "$stage"
  mkdir "$stage/new" "$stage/tmp"
}

restore() { [ -e "$prefix" ] || [ ! -e "$1/old" ] || mv -- "$1/old" "$prefix"; }

close_stage() {
  [ -n "${stage:-}" ] || return 0
  restore "$stage"
  rm -rf -- "$stage" "$log"
  stage=''
}

activate() {
  stamp_value "$kind" >"$stage/new/.libtorch"
  [ ! -e "$prefix" ] || mv -- "$prefix" "$stage/old"
  mv -- "$stage/new" "$prefix"
  close_stage
}

# Runs a command so that a signal reaches this script while it is under way (bash
# holds traps back until a child in the foreground has ended), and in a process
# group of its own, so that its children end with it.
run() {
  local status=0
  set -m
  "$@" &
  child=$!
  set +m
  wait "$child" || status=$?
  child=''
  return $status
}

interrupted() {
  trap '' INT TERM HUP
  [ -z "${child:-}" ] || { kill -TERM -- "-$child" && wait "$child"; } 2>/dev/null || true
  close_stage
  say "interrupted: nothing half-done was left; run it again to go on"
  exit 130
}

# --- the three sources of libtorch, and HDF5 ---------------------------------

# Downloads the wheels that the chosen kind needs, and unpacks them.
stage_wheels() {
  local downloads=$stage/downloads wheel version platforms=()
  wanted_wheels >"$stage/requirements.txt"
  [ -s "$stage/requirements.txt" ] || return 0
  check_libc
  mkdir "$downloads"
  local found=${PIP_FIND_LINKS:-}
  if [ -n "$keep" ]; then
    mkdir -p "$repo/build/downloads"
    found="$repo/build/downloads $found"
  fi
  # The same files whatever the machine's own python is; these are the tags that the wheels carry.
  for version in 2_28 2_27 2_25 2_18 2_17; do platforms+=(--platform "manylinux_${version}_$arch"); done
  [ -t 1 ] || platforms+=(--quiet --progress-bar off)
  say "downloading $(wc -l <"$stage/requirements.txt") pinned wheels for Linux $arch"
  TMPDIR=$stage/tmp PIP_FIND_LINKS=$found run "${pip[@]}" download "${platforms[@]}" --platform "manylinux2014_$arch" \
    --python-version 3.12 --implementation cp --abi cp312 --abi none --only-binary=:all: --no-deps \
    --require-hashes --requirement "$stage/requirements.txt" --dest "$downloads" --log "$log" ||
    die "the download failed: $(download_error)"
  for wheel in "$downloads"/*.whl; do
    unpack "$wheel"
    if [ -n "$keep" ]; then mv -- "$wheel" "$repo/build/downloads"; else rm -- "$wheel"; fi
  done
}

# Prints the requirements of the chosen kind: libtorch unless another is used, HDF5 unless another is used.
wanted_wheels() {
  case $kind in
    cpu | cuda) requirements "$kind" | if [ -n "${HDF5_DIR:-}" ]; then grep -v '^h5py=='; else cat; fi ;;
    *) [ -n "${HDF5_DIR:-}" ] || requirements cpu | grep '^h5py==' ;;
  esac
}

unpack() {
  local flags=()
  [ "$kind" = cpu ] || flags=(--cuda)
  say "unpacking $(basename "$1")"
  run python3 "$repo/scripts/libtorch/unpack.py" "$1" "$stage/new" "${flags[@]}" 2>"$log" ||
    die "could not unpack $(tail -n 1 "$log")"
}

# Picks from pip's log the line that says why.
download_error() {
  if grep -q 'No space left on device' "$log"; then
    echo "no space left on the disk of $parent"
  elif grep -q 'DO NOT MATCH THE HASHES' "$log"; then
    echo "a file is not the pinned one, its SHA-256 differs"
  else
    sed -n 's/^[^ ]* *ERROR: //p' "$log" | tail -n 1 | grep . || echo "pip gave no reason"
  fi
}

stage_zip() {
  local file=$zip
  case $zip in
    *://*)
      say "downloading ${zip%%#*}"
      file=$stage/libtorch.zip
      run python3 "$repo/scripts/libtorch/fetch.py" "$zip" "$file" 2>"$log" || 
        die "the download failed: $(tail -n 1 "$log")"
      ;;
    *) [ -f "$zip" ] || die "no such file: $zip" ;;
  esac
  unpack "$file"
}

stage_existing() {
  local dir
  dir=$(realpath -e -- "$LIBTORCH" 2>/dev/null) || die "LIBTORCH=$LIBTORCH: no such folder"
  ln -s "$dir" "$stage/new/torch"
  # A torch that pip installed has its CUDA libraries beside it, and looks for them there.
  [ ! -d "$dir/../nvidia" ] || ln -s "$(realpath "$dir/../nvidia")" "$stage/new/nvidia"
}

stage_hdf5() {
  local dir=${HDF5_DIR:-} soname version
  mkdir -p "$stage/new/hdf5/lib"
  if [ -z "$dir" ]; then
    ln -s "$(basename "$(compgen -G "$stage/new/hdf5/lib/libhdf5-*.so*")")" "$stage/new/hdf5/lib/libhdf5.so"
    return
  fi
  [ -e "$dir/lib/libhdf5.so" ] && dir=$dir/lib
  [ -e "$dir/libhdf5.so" ] || die "HDF5_DIR=$HDF5_DIR: neither libhdf5.so nor lib/libhdf5.so in it"
  dir=$(realpath -- "$dir")
  version=$(python3 -c '
import ctypes, sys
n = [ctypes.c_uint() for _ in range(3)]
ctypes.CDLL(sys.argv[1]).H5get_libversion(*map(ctypes.byref, n))
print(".".join(str(v.value) for v in n))' "$dir/libhdf5.so" 2>/dev/null) || die "HDF5_DIR=$HDF5_DIR: libhdf5.so does not load"
  version_at_least "$version" 1.14 || die "HDF5_DIR=$HDF5_DIR: libhdf5 $version is too old, 1.14 or newer is needed"
  soname=$(soname_of "$dir/libhdf5.so")
  ln -s "$dir/libhdf5.so" "$stage/new/hdf5/lib/libhdf5.so"
  [ "$soname" = libhdf5.so ] || ln -s "$dir/$soname" "$stage/new/hdf5/lib/$soname"
}

soname_of() { readelf -d "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p'; }

check_libtorch() {
  local dir=$stage/new/torch found
  [ -e "$dir/lib/libtorch_cpu.so" ] && [ -e "$dir/include/ATen/ATen.h" ] ||
    die "${LIBTORCH:-${zip:-the wheel}}: no libtorch: lib/libtorch_cpu.so and include/ATen/ATen.h are looked for"
  found=$({ cat "$dir"/include/torch/headeronly/version.h "$dir"/include/torch/csrc/api/include/torch/version.h 2>/dev/null || true; } |
    tr -d '\\\n' | sed -n 's/.*define TORCH_VERSION  *"\([0-9.]*\).*/\1/p')
  [ "$found" = "$torch_version" ] || die "libtorch $torch_version is needed, this one is ${found:-of unknown version}"
  # libtorch.so of a CUDA build would pull all of CUDA into every program; gotorch asks for it by name.
  mkdir -p "$stage/new/link"
  echo 'INPUT(-ltorch_cpu -lc10)' >"$stage/new/link/libtorch.so"
  check_loads "$dir/lib/libtorch_cpu.so" "$stage/new/hdf5/lib/libhdf5.so"
}

check_loads() {
  local library lost
  for library in "$@"; do
    lost=$(env -u LD_LIBRARY_PATH ldd "$library" | awk '/not found/ { print $1 }' | sort -u | paste -sd' ')
    [ -z "$lost" ] || die "$(basename "$library") does not load, missing: $lost"
  done
}

install_libraries() {
  check_tools
  mkdir -p -- "$parent" 2>/dev/null || die "cannot make $parent: choose another place with --prefix"
  if [ -d "$prefix" ] && [ ! -f "$prefix/.libtorch" ] && [ -n "$(ls -A -- "$prefix")" ]; then
    die "$prefix holds other files: give a folder of its own with --prefix"
  fi
  [ -w "$parent" ] || die "no permission to write in $parent: choose another place with --prefix"
  check_space
  trap interrupted INT TERM HUP
  trap close_stage EXIT
  open_stage
  case $kind in
    zip) stage_zip ;;
    existing) stage_existing ;;
  esac
  stage_wheels
  stage_hdf5
  check_libtorch
  activate
}

# --- the C++ libraries and the environment file ------------------------------

build_native() {
  local gotorch before after
  trap interrupted INT TERM HUP
  gotorch=$(gotorch_dir)
  if [ ! -d "$gotorch" ]; then
    run go -C "$repo" mod download github.com/wangkuiyi/gotorch || die "go could not download gotorch"
    gotorch=$(gotorch_dir)
  fi
  before=$(built)
  run make --no-print-directory -s -j "${JOBS:-$(jobs_by_memory)}" -f "$repo/scripts/native.mk" \
    NATIVE="$prefix" GOTORCH="$gotorch" BUILD="$repo/build/native" || die "the C++ libraries could not be built"
  after=$(built)
  [ "$before" = "$after" ] || check_loads "$prefix"/openretina/*.so
}

gotorch_dir() { go -C "$repo" list -m -f '{{.Dir}}' github.com/wangkuiyi/gotorch; }

built() { stat -c '%n %Y' "$prefix"/openretina/*.so 2>/dev/null || true; }

# One compiler over torch's headers takes 1.5 GB.
jobs_by_memory() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

write_env() {
  local content
  mkdir -p "$repo/build"
  if [ "$prefix" = "$repo/lib" ]; then rm -f "$prefix_file"; else echo "$prefix" >"$prefix_file"; fi
  content="# Written by scripts/install-libtorch.sh. Use: . build/libtorch.env && go test ./...
OPENRETINA_NATIVE=$prefix
export CGO_LDFLAGS=\"-L$prefix/link -L$prefix/openretina -L$prefix/torch/lib -L$prefix/hdf5/lib -Wl,--disable-new-dtags -Wl,-rpath,$prefix/openretina -Wl,-rpath,$prefix/torch/lib -Wl,-rpath,$prefix/hdf5/lib -Wl,-rpath-link,$prefix/nvidia/cu13/lib\""
  [ "$(cat "$env_file" 2>/dev/null)" != "$content" ] || return 0
  printf '%s\n' "$content" >"$env_file.part"
  mv -- "$env_file.part" "$env_file"
}

main() {
  parse_arguments "$@"
  check_platform
  choose_kind
  parent=$(dirname "$prefix")
  if ! up_to_date; then
    [ "$kind" != as-installed ] || die "$prefix is damaged: say again what it was made from (LIBTORCH= or --zip)"
    install_libraries
  fi
  build_native
  write_env
}

main "$@"
