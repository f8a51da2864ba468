#!/usr/bin/env bash
# Tries the Dockerfile where there is no Docker: every stage becomes a Debian made
# by debootstrap, every RUN a command in a chroot, every COPY a copy. At the end
# the program of the last stage runs as its user.
#
# Usage: test-image.sh [FOLDER]   (default: a new one below /tmp, removed at the end)
# Needs root and debootstrap. FOLDER/base is used again if it is there.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "test-image: needs root (chroot, mount)" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "test-image: missing debootstrap: apt-get install debootstrap" >&2; exit 1; }

if [ $# -gt 0 ]; then
  folder=$(realpath -m -- "$1")
else
  folder=$(mktemp -d)
  remove=$folder
fi
mkdir -p "$folder"
stage='' directory=/ user=root
chroot=$(command -v chroot) # looked up here: the PATH that ENV sets is the image's
declare -A roots=() variables=()

leave() {
  local root
  for root in "${roots[@]}"; do umount -q "$root/proc" "$root/dev" || true; done
  [ -z "${remove:-}" ] || rm -rf --one-file-system -- "$remove"
}
trap leave EXIT

# Makes the Debian that stages start from, with this machine's way to the network
# (the package ca-certificates is there before its bundle is replaced, so no later step writes it again).
make_base() {
  [ -d "$folder/base/usr" ] || debootstrap --variant=minbase --include=ca-certificates bookworm "$folder/base" >/dev/null
  cp /etc/ssl/certs/ca-certificates.crt "$folder/base/etc/ssl/certs/"
  cp /etc/resolv.conf "$folder/base/etc/"
}

in_stage() {
  local settings=() name
  for name in "${!variables[@]}"; do settings+=("$name=${variables[$name]}"); done
  env -i PATH=/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root "${settings[@]}" \
    "$chroot" "${roots[$stage]}" "$@"
}

# FROM image [AS name]
do_from() {
  stage=${3:-final} directory=/ user=root variables=()
  local root=$folder/$stage
  echo "== stage $stage ($1)"
  rm -rf --one-file-system -- "$root"
  cp -a "$folder/base" "$root"
  roots[$stage]=$root
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  case $1 in
    debian:bookworm-slim) ;;
    golang:*-bookworm)
      cp -a "$(go env GOROOT)" "$root/usr/local/go"
      in_stage sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates g++ gcc git make' >/dev/null
      ;;
    *) echo "test-image: no stand-in for the image $1" >&2 && exit 1 ;;
  esac
}

# COPY [--from=stage] source… target
do_copy() {
  local from=$repo target=${*: -1} source
  case $1 in
    --from=*) from=${roots[${1#--from=}]} && shift ;;
  esac
  case $target in
    /*) ;;
    *) target=$directory/$target ;;
  esac
  target=${roots[$stage]}$target
  for source in "${@:1:$#-1}"; do
    if [ "$source" = . ]; then
      mkdir -p "$target"
      git -C "$repo" ls-files -z --cached --others --exclude-standard |
        tar -C "$repo" --null --ignore-failed-read -T - -cf - | tar -C "$target" -xf -
    elif [ -d "$from/$source" ]; then
      mkdir -p "$target"
      cp -a "$from/$source/." "$target"
    else
      mkdir -p "$(dirname "$target")"
      cp -a "$from/$source" "$target"
    fi
  done
}

# Takes one instruction, its continuation lines joined.
instruction() {
  local words word=$1
  echo "-- $word $2"
  read -ra words <<<"$2"
  case $word in
    FROM) do_from "${words[@]}" ;;
    ARG | ENV) variables[${2%%=*}]=${2#*=} ;;
    RUN) in_stage /bin/sh -c "cd $directory && $2" ;;
    COPY) do_copy "${words[@]}" ;;
    WORKDIR) directory=$2 && mkdir -p "${roots[$stage]}$2" ;;
    USER) user=$2 ;;
    VOLUME | ENTRYPOINT) ;;
    *) echo "test-image: unknown instruction $word" >&2 && exit 1 ;;
  esac
}

make_base
while read -r word rest; do
  # Standard input is the list of instructions; nothing that runs may read from it.
  instruction "$word" "$rest" </dev/null
done < <(sed -e '/^ *#/d' -e '/^ *$/d' "$repo/Dockerfile" | sed -e ':a' -e '/\\$/N; s/\\\n//; ta')

echo "== the program, as $user in $directory"
variables[HOME]=$(in_stage getent passwd "$user" | cut -d: -f6)
in_stage setpriv --reuid "$user" --regid "$user" --init-groups sh -c "cd $directory && openretina version"
