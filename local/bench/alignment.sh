#!/usr/bin/env bash
# Compare alignments from scratch with Kaldi's on the AISHELL sample: their time, their phone boundaries, the error rate
# of their Gaussians by the sample's protocol, and that of networks trained on each (with ./run.sh's settings).
# Also compare the phone boundaries on mini with the synthesiser's true times.
#   local/bench/alignment.sh                   about 25 minutes on two cores
#   local/bench/alignment.sh --seeds "1 2 3"   seeds of the networks
# Results that exist are not made again. The real data is ../shared/data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seeds='1 2 3'
while (($#)); do
  case $1 in
    --seeds) seeds=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/alignment.sh" >&2; exit 2 ;;
  esac
done
kaldi=../shared/data/kaldi_aishell_sample
ours=exp/aishell_scratch theirs=exp/aishell_sample
local/bench/aishell_sample.sh --exp "$theirs" --stop-stage 4
local/bench/aishell_sample.sh --exp "$ours" --from-scratch --stop-stage 4
asr() { .venv/bin/python -m asr "$@"; }

decoded() { # exp model folder: decode dev with weights chosen there, test with the same; print the error rates
  local exp=$1 model=$2 out=$3 set
  asr decode --data "$exp/data/dev" --model "$model" --graph "$exp/graph" --tune true --tune-graph "$exp/graph_tune" \
    --latin letter --out "$out/decode_dev" >/dev/null
  asr decode --data "$exp/data/test" --model "$model" --graph "$exp/graph" --tuned "$out/decode_dev/decode.json" \
    --out "$out/decode_test" >/dev/null
  for set in dev test; do
    asr score --ref "$exp/data/$set/text" --hyp "$out/decode_$set/hyp.txt" --set-name "$set" --latin letter \
      --out "$out/decode_$set" >/dev/null
    sed -n "1s|^|$model $set |p" "$out/decode_$set/cer"
  done
}

for exp in "$ours" "$theirs"; do
  asr graph --lang "$exp/lang" --model-dir "$exp/ali" --out "$exp/graph"
  asr graph --lang "$exp/lang" --g "$exp/lang/tune/G.fst" --model-dir "$exp/ali" --out "$exp/graph_tune"
  for seed in $seeds; do
    asr train --config recipes/kaldi/recipe.cfg --train-data "$exp/data/train" --dev-data "$exp/data/dev" \
      --ali "$exp/ali" --out "$exp/net$seed" --seed "$seed"
    decoded "$exp" "$exp/net$seed" "$exp/net$seed"
  done
done
decoded "$ours" "$ours/ali/tri" "$ours/gaussians"
awk -F '\t' '$2 == "align" && $4 == "0" { print "alignment from scratch: " $3 " s" }' "$ours/log/times.tsv"
echo "boundaries against Kaldi's tri1_ali:"
.venv/bin/python local/bench/boundaries.py "$ours/ali/tri" "$kaldi/tri1_ali"

mini=exp/mini_scratch
./run.sh --exp "$mini" --from-scratch --stop-stage 4
echo "boundaries on mini against the synthesiser's times:"
.venv/bin/python local/bench/boundaries.py "$mini/ali/tri" "$mini/synth_ali"
