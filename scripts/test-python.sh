#!/usr/bin/env bash
# Compares with the Python package: runs the tests that load our files in it, then
# trains a model, loads it there, and compares the responses. Run by `make test-python`.
# The Python package gets a virtual environment of its own in build/python (6 GB),
# unless OPENRETINA_PYTHON names an interpreter that has it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${OPENRETINA_PYTHON:-}" ]; then
  OPENRETINA_PYTHON=$PWD/build/python/bin/python
  if ! cmp -s scripts/python/requirements.txt build/python/requirements.txt; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
      echo "test-python: Python 3.11 or newer is needed" >&2
      exit 1
    }
    python3 -m venv --clear build/python
    build/python/bin/pip install --quiet --requirement scripts/python/requirements.txt
    build/python/bin/pip install --quiet --no-deps openretina==1.1.1
    cp scripts/python/requirements.txt build/python/requirements.txt
  fi
fi
# Without PYTHONSAFEPATH the working directory comes first on Python's path.
export OPENRETINA_PYTHON PYTHONSAFEPATH=1

# shellcheck source=/dev/null
. build/libtorch.env
mapfile -t packages < <(grep -rl --include='*_test.go' OPENRETINA_PYTHON cmd pkg | xargs -n 1 dirname | sort -u | sed 's|^|./|')
go test -count=1 "${packages[@]}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin/openretina create-data "$work/data"
run=$(bin/openretina train --config simulated_retina paths.data_dir="$work/data" paths.log_dir="$work" trainer.max_epochs=1 | tail -n 1)
"$OPENRETINA_PYTHON" -c '
import sys, numpy as np
np.save(sys.argv[1], np.random.default_rng(0).standard_normal((2, 2, 60, 18, 16), dtype=np.float32))' "$work/stimulus.npy"
for checkpoint in "$run"/checkpoints/*.ckpt; do
  bin/openretina predict --model "$checkpoint" --stimulus "$work/stimulus.npy" --output "$work/responses.npy"
  "$OPENRETINA_PYTHON" scripts/python/check_run.py "$checkpoint" "$work/stimulus.npy" "$work/responses.npy"
done
