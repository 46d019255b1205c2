#!/usr/bin/env bash
# Compares language models on real speech, with one network: orders, lattices rescored with another order, transcripts and
# word list pooled or mixed, pruning, general word frequencies. Weights are chosen on dev. Prints error rates with
# bootstrap intervals on dev and test, and the perplexity per character on dev.
#   local/bench/language_model.sh                 the AISHELL sample by its protocol, our own tools only, characters as words
#   local/bench/language_model.sh --units spm --vocab 3500
# --exp: an experiment of recipes/kaldi with stages 1 to 5 done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
exp='' model=asgd units='chars' vocab=''
while (($#)); do
  case $1 in
    --exp) exp=$2; shift 2 ;;
    --model) model=$2; shift 2 ;;
    --units) units=$2; shift 2 ;;
    --vocab) vocab=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/language_model.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/bench/sample.sh
. local/bench/sample.sh
train_sample 5
kind=(--units "$units" ${vocab:+--vocab "$vocab"})
heads "$units $vocab"
for order in 1 2 3 4 5; do
  row "order $order" "$exp/lm/$units-$order" "${kind[@]}" --order "$order"
done
rescored 'order 2, with 4' "$exp/lm/$units-2-4" "$exp/lm/$units-2" "$exp/lm/$units-4"
rescored 'order 3, with 5' "$exp/lm/$units-3-5" "$exp/lm/$units-3" "$exp/lm/$units-5"
for order in 3 4; do
  row "order $order, mixed" "$exp/lm/$units-$order-mixed" "${kind[@]}" --order "$order" --mix true
done
for order in 3 4; do
  row "order $order, general" "$exp/lm/$units-$order-general" "${kind[@]}" --order "$order" --general wordfreq
done
for prune in 1e-8 1e-7 1e-6 1e-5; do
  row "order 4, pruned $prune" "$exp/lm/$units-4-$prune" "${kind[@]}" --order 4 --prune "$prune"
done
rescored 'order 4, pruned, with 4' "$exp/lm/$units-4-1e-6-4" "$exp/lm/$units-4-1e-6" "$exp/lm/$units-4"
