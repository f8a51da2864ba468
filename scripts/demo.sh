#!/usr/bin/env bash
# The main job from end to end on the simulated retina, whose cells are known:
# make data, train, evaluate, find most exciting inputs, and compare with the truth.
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

train() {
  # The last line of stdout is the directory of the run.
  run=$(bin/openretina train --config simulated_retina paths.data_dir=demo/data paths.log_dir=demo | tee /dev/stderr | tail -n 1)
}

rm -rf demo
mkdir demo
phase "create data" bin/openretina create-data demo/data
phase "train" train
phase "evaluate" bin/openretina eval --model "$run"
phase "most exciting inputs" bin/openretina mei --model "$run" --config simulated_retina --neuron all --output "$run/mei"

printf '\n== times\n'
printf '%s\n' "${times[@]}"
