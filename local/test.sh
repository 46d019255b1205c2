#!/usr/bin/env bash
# Sets up .venv, and runs the checks and then the tests, in two processes (`-n 0`: in one, for a debugger).
# `--all` runs the slow tests too. pytest gets all other arguments. Its last line counts the tests that need ../shared.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=local/children.sh
. local/children.sh
# shellcheck source=local/setup.sh
. local/setup.sh
set_up test
select=(-m 'not slow')
if [[ ${1:-} == --all ]]; then
  select=()
  shift
fi
.venv/bin/ruff check .
.venv/bin/ruff format --check --quiet . || { echo "not formatted: run .venv/bin/ruff format ." >&2; exit 1; }
.venv/bin/mypy
.venv/bin/shellcheck run.sh local/*.sh local/bench/*.sh .ci/run
.venv/bin/python -m pytest -n 2 --dist loadfile "${select[@]}" "$@"
