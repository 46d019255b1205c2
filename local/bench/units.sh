#!/usr/bin/env bash
# Compares word units on real speech. One network is trained with characters as words; lexicon, language model and graph are
# made for each kind of unit. Weights are chosen on dev. Prints error rates with bootstrap intervals on dev and test.
#   local/bench/units.sh                          the AISHELL sample by its protocol, our own tools only
#   local/bench/units.sh --units "chars spm:3200 spm:4000" --order 4
# A unit is a value of `asr lang --units`, followed by a colon and --vocab. --exp: an experiment of recipes/kaldi with stages 1 to 5 done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
exp='' model=asgd units='chars spm:3000 spm:3250 spm:3500 spm:4000' order=3
while (($#)); do
  case $1 in
    --exp) exp=$2; shift 2 ;;
    --model) model=$2; shift 2 ;;
    --units) units=$2; shift 2 ;;
    --order) order=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/units.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/bench/sample.sh
. local/bench/sample.sh
train_sample 5
heads unit
for unit in $units; do
  vocabulary=()
  [[ $unit != *:* ]] || vocabulary=(--vocab "${unit#*:}")
  row "$unit" "$exp/units/${unit/:/-}-$order" --units "${unit%:*}" "${vocabulary[@]}" --order "$order"
done
