# shellcheck shell=bash
# Sourced, at the root of the repository, by what compares with the Python package: sets
# OPENRETINA_PYTHON to an interpreter that has it. Where that names none, the Python
# package gets a virtual environment of its own in build/python (6 GB).

if [ -z "${OPENRETINA_PYTHON:-}" ]; then
  OPENRETINA_PYTHON=$PWD/build/python/bin/python
  if ! cmp -s scripts/python/requirements.txt build/python/requirements.txt; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
      echo "$(basename "$0" .sh): Python 3.11 or newer is needed" >&2
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
