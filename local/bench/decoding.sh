#!/usr/bin/env bash
# Measures the speed, error rate and memory of decoding for several beams: one trained network, weights chosen on dev.
# Prints a row per beam: CPU seconds per second of speech (network, search, lattices and confidences; one process), error
# rates on dev and test, peak memory; the last line is a JSON object, whose rtf_per_core is that of the default beam.
#   local/bench/decoding.sh                                    the AISHELL sample; trains first if there is no model
#   local/bench/decoding.sh --exp exp/mini --model asgd --beams "8 13"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
exp='' model=asgd beams='8 9 10 11 12 13 14 15 16' latin=word
while (($#)); do
  case $1 in
    --exp) exp=$2; shift 2 ;;
    --model) model=$2; shift 2 ;;
    --beams) beams=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/decoding.sh" >&2; exit 2 ;;
  esac
done
if [[ -z $exp ]]; then
  exp=exp/aishell_sample latin=letter
  local/bench/aishell_sample.sh --exp "$exp" --model "$model" --stop-stage 7 >&2
fi
exec .venv/bin/python local/bench/decoding.py "$exp" "$model" "$latin" "$beams"
