#!/usr/bin/env bash
# Compares speed and memory with the Python package: prints a table and writes
# build/bench-python.json. Run by `make bench-python`. CASES are names of cases,
# THREADS numbers of threads, PAIRS is how many pairs of calls are timed; TRAININGS
# are trainings from scratch whose results are compared, with SEEDS seeds. Each is left
# to the program where it is empty (scripts/benchpython/main.go).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=python/venv.sh
. scripts/python/venv.sh
# shellcheck source=/dev/null
. build/libtorch.env
go build -trimpath -o build/benchpython ./scripts/benchpython
# Each side is told its number of threads by its own means.
unset OMP_NUM_THREADS MKL_NUM_THREADS
exec build/benchpython ${CASES:+-cases "$CASES"} ${THREADS:+-threads "$THREADS"} ${PAIRS:+-pairs "$PAIRS"} \
  ${TRAININGS:+-trainings "$TRAININGS"} ${SEEDS:+-seeds "$SEEDS"}
