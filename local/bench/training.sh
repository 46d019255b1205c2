#!/usr/bin/env bash
# How fast training is: the parameter server against pure computing, all-reduce and Hogwild, two processes each. One
# table, then the ratios as a line of JSON. Seven minutes or so; --rounds N, --seconds S, --quick (a smoke test).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
exec .venv/bin/python local/bench/training "$@"
