#!/usr/bin/env bash
# Compares with the Python package: runs the tests that load our files in it, then
# trains a model, loads it there, compares the responses, and lets Lightning train on. Run by `make test-python`.
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
run=$(bin/openretina train --config simulated_retina paths.data_dir="$work/data" paths.log_dir="$work" trainer.max_epochs=1 | tail -n 1)
"$OPENRETINA_PYTHON" -c '
import sys, numpy as np
np.save(sys.argv[1], np.random.default_rng(0).standard_normal((2, 2, 60, 18, 16), dtype=np.float32))' "$work/stimulus.npy"
for checkpoint in "$run"/checkpoints/*.ckpt; do
  bin/openretina predict --model "$checkpoint" --stimulus "$work/stimulus.npy" --output "$work/responses.npy"
  "$OPENRETINA_PYTHON" scripts/python/check_run.py "$checkpoint" "$work/stimulus.npy" "$work/responses.npy"
done
"$OPENRETINA_PYTHON" scripts/python/check_resume.py "$run/checkpoints/last.ckpt" 3
