#!/usr/bin/env bash
# The main job from end to end on the simulated retina, whose cells are known:
# make data, train, find most exciting inputs, evaluate and compare with the truth.
# Run it with `make demo`; what it makes lies in demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

times=()
phase() {
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n%s\n' "$name" "$*"
  "$@"
  times+=("$(printf '%-24s %4d s' "$name" $((SECONDS - start)))")
}

# The model is small: a second thread would cost more than it brings.
rm -rf demo
phase "create data" bin/openretina create-data demo/data
phase "train" bin/openretina train --threads 1 --config simulated_retina paths.data_dir=demo/data paths.output_dir=demo/run
phase "most exciting inputs" bin/openretina mei --model demo/run --config simulated_retina --neuron all --output demo/run/mei
phase "evaluate, compare" bin/openretina eval --model demo/run

printf '\n== times\n'
printf '%s\n' "${times[@]}" "$(printf '%-24s %4d s' total $SECONDS)"
