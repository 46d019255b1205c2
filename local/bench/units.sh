#!/usr/bin/env bash
# Word units side by side on real speech: one network, trained once with characters as words; then lexicon, language model and
# graph anew for each kind of unit, weights chosen on dev, error rates with their bootstrap intervals on dev and test.
#   local/bench/units.sh                          the AISHELL sample by its protocol, all our own tools
#   local/bench/units.sh --units "chars spm:3200 spm:4000" --order 4
# A unit is a value of `asr lang --units`, with --vocab after a colon. --exp: an experiment of recipes/kaldi with stages 1 to 5 done.
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
data=../shared/data
mkdir -p exp
for file in "$data"/cmn_words/mp3/cmn-*.mp3; do
  file=${file##*/cmn-}
  echo "${file%.mp3}"
done >exp/cmn_words.txt
if [[ -z $exp ]]; then
  exp=exp/units
  ./run.sh --recipe kaldi --exp "$exp" --train-dir "$data/aishell_sample/data/train" \
    --test-dir "$data/aishell_sample/data/test" --lm-text exp/cmn_words.txt --stop-stage 5 >&2
fi
asr() { .venv/bin/python -m asr "$@" >&2; }
printf '%-12s %6s %9s %9s  %-52s %-20s %s\n' units words arcs 'perplex.' 'test' 'interval' 'dev'
for unit in $units; do
  out=$exp/units/${unit/:/-}-$order
  vocabulary=()
  [[ $unit != *:* ]] || vocabulary=(--vocab "${unit#*:}")
  asr lang --text "$exp/data/train/text" --dev-text "$exp/data/dev/text" --lm-text exp/cmn_words.txt \
    --units "${unit%:*}" "${vocabulary[@]}" --order "$order" --phones "$exp/ali/phones.txt" --out "$out/lang"
  asr graph --lang "$out/lang" --model-dir "$exp/ali" --out "$out/graph"
  asr decode --data "$exp/data/dev" --model "$exp/$model" --graph "$out/graph" --tune true --latin letter --out "$out/dev"
  asr decode --data "$exp/data/test" --model "$exp/$model" --graph "$out/graph" --tuned "$out/dev/decode.json" \
    --out "$out/test"
  for set in dev test; do
    asr score --latin letter --ref "$exp/data/$set/text" --hyp "$out/$set/hyp.txt" --set-name "$set" --out "$out/$set"
  done
  .venv/bin/python - "$unit" "$out" <<'PY'
import json
import sys
from pathlib import Path

unit, out = sys.argv[1], Path(sys.argv[2])
lang = json.loads((out / "lang/lang.json").read_text("utf-8"))
graph = json.loads((out / "graph/graph.json").read_text("utf-8"))
lines = {name: (out / name / "cer").read_text("utf-8").splitlines()[0] for name in ("dev", "test")}
low, high = json.loads((out / "test/scores.json").read_text("utf-8"))["cer"]["interval"]
dev = lang["dev"]
perplexity = dev.get("perplexity_a_character", dev.get("perplexity"))
print(
    f"{unit:<12} {lang['words']:>6} {graph['arcs']:>9,} {perplexity:>9.1f}  {lines['test']:<52} "
    f"{f'{low:.2f} to {high:.2f}':<20} {lines['dev']}"
)
PY
done
