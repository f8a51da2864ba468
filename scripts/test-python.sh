#!/usr/bin/env bash
# Compares with the Python package: runs the tests that load our files in it, then
# trains models with each kind of readout, loads them there, compares the responses, and
# lets Lightning train on. Run by `make test-python`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=python/venv.sh
. scripts/python/venv.sh
# shellcheck source=/dev/null
. build/libtorch.env
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# MLflow has an environment of its own: it wants other versions than the Python package.
python3 -m venv "$work/mlflow"
"$work/mlflow/bin/pip" install --quiet mlflow==3.17.2
export OPENRETINA_MLFLOW=$work/mlflow/bin/mlflow
mapfile -t packages < <(grep -rl --include='*_test.go' OPENRETINA_PYTHON cmd pkg | xargs -n 1 dirname | sort -u | sed 's|^|./|')
go test -count=1 "${packages[@]}"

bin/openretina create-data "$work/data"
"$OPENRETINA_PYTHON" -c '
import sys, numpy as np
np.save(sys.argv[1], np.random.default_rng(0).standard_normal((2, 2, 60, 18, 16), dtype=np.float32))' "$work/stimulus.npy"
no_layers=('~model.hidden_channels' '~model.core.temporal_kernel_sizes' '~model.core.spatial_kernel_sizes')
for model in core_gaussian_readout core_klindt_readout linear_nonlinear_poisson base_core_readout; do
  words=("model=$model")
  if [ "$model" = linear_nonlinear_poisson ]; then # its core has no layers
    words+=("${no_layers[@]}")
  fi
  run=$(bin/openretina train --config simulated_retina paths.data_dir="$work/data" paths.output_dir="$work/$model" trainer.max_epochs=1 "${words[@]}" | tail -n 1)
  for checkpoint in "$run"/checkpoints/*.ckpt; do
    bin/openretina predict --model "$checkpoint" --stimulus "$work/stimulus.npy" --output "$work/responses.npy"
    "$OPENRETINA_PYTHON" scripts/python/check_run.py "$checkpoint" "$work/stimulus.npy" "$work/responses.npy"
  done
done
"$OPENRETINA_PYTHON" scripts/python/check_resume.py "$run/checkpoints/last.ckpt" 3
