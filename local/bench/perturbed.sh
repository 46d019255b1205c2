#!/usr/bin/env bash
# Compares perturbed copies and more data on real speech: one pass over each, one graph (characters, trigram), our own
# alignments, weights chosen on dev. Prints a row for each: hours of speech, hours seen, network, minibatch, dropout, eta0,
# seconds, error rates with bootstrap intervals.
#   local/bench/perturbed.sh                    the AISHELL sample by its protocol
#   local/bench/perturbed.sh --tune             evaluates on a fifth of train that is held out, never on test: used for choices
#   local/bench/perturbed.sh [--tune] --rows 'none speed-5' --train '--eta0 0.2'     further options of `asr train`
# Trains exp/units or exp/tune first if it is missing. Rows with words- also need exp/units_words or exp/tune_words.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
exp='' model=asgd more='' rows='none speed-5-whole speed-5 words words-speed-5'
while (($#)); do
  case $1 in
    --tune) exp=exp/tune; shift ;;
    --rows) rows=$2; shift 2 ;;
    --train) more=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/perturbed.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/bench/sample.sh
. local/bench/sample.sh

copies() { # row: prints its perturbed copies ('' for none), then options of `asr train`
  case ${1#words-} in
    none | words) echo '|' ;;
    speed-3) echo '--speeds 0.9,1,1.1|' ;;
    speed-3-close) echo '--speeds 0.95,1,1.05|' ;;
    speed-5) echo '--speeds 0.97,0.985,1,1.015,1.03|' ;;
    speed-5-whole) echo '--speeds 0.97,0.985,1,1.015,1.03|--dropout 0' ;;
    speed-5-1024) echo '--speeds 0.97,0.985,1,1.015,1.03|--width 1024 --dropout 0.3' ;;
    speed-5-wide) echo '--speeds 0.9,0.95,1,1.05,1.1|' ;;
    speed-5-noisy) echo '--speeds 0.97,0.985,1,1.015,1.03 --noisy-copies 1|' ;;
    speed-5-masked) echo '--speeds 0.97,0.985,1,1.015,1.03|--mask-bins 4 --mask-frames 8' ;;
    speed-9) echo '--speeds 0.96,0.97,0.98,0.99,1,1.01,1.02,1.03,1.04|' ;;
    noisy) echo '--speeds 0.9,1,1.1 --noisy-copies 1|' ;;
    noise-only) echo '--speeds 1 --noisy-copies 2|' ;;
    masked) echo '|--mask-bins 8 --mask-frames 20' ;;
    *) echo "no row $1" >&2; exit 2 ;;
  esac
}

train_base() { # the system whose alignments are used: exp/units, or exp/tune with a fifth of train as its test
  train_sample 4 # if exp is set, makes the words of the language model only
  [[ $exp == exp/tune ]] || return 0
  asr split --data "$data/aishell_sample/data/train" --rest "$exp/rest" --part "$exp/part" --fraction 0.2
  ./run.sh --recipe kaldi --exp "$exp" --train-dir "$exp/rest" --test-dir "$exp/part" --lm-text "$lm_text" \
    --set lang.general=none --stop-stage 4 >&2
}
train_words() { # a system whose train includes cmn_words; dev, test and the text of the language model are the same
  asr prepare --script recipes/folder/prepare.py --corpus-dir "$data/cmn_words/mp3" --resample true \
    --test-fraction 0.01 --dev-fraction 0.01 --out "${exp}_words/cmn"
  asr combine --data "$exp/data/train,${exp}_words/cmn/train" --out "${exp}_words/both"
  ./run.sh --recipe kaldi --exp "${exp}_words" --train-dir "${exp}_words/both" --dev-dir "$exp/data/dev" \
    --test-dir "$exp/data/test" --resample --set lang.general=none --stop-stage 4 >&2
}
result() { # row base: perturb, train, decode with the base's graph, print
  local name=$1 base=$2 out train=$2/data/train ali=$2/ali speeds options set
  IFS='|' read -r speeds options <<<"$(copies "$name")"
  out=$exp/perturbed/$name${more// /}
  if [[ -n $speeds ]]; then
    # shellcheck disable=SC2086 # several options
    asr perturb --data "$base/data/train" $speeds --out "$out/train"
    asr features --data "$out/train" --resample true --out "$out/features"
    asr align --originals "$base/ali" --train-data "$out/train" --dev-data "$base/data/dev" --out "$out/ali"
    train=$out/train ali=$out/ali
  fi
  # shellcheck disable=SC2086
  asr train --train-data "$train" --dev-data "$base/data/dev" --ali "$ali" --eta0 auto --workers 2 $options $more --out "$out/model"
  for set in dev test; do
    weights=(--tuned "$out/dev/decode.json")
    [[ $set == test ]] || weights=(--tune true --latin letter)
    asr decode --data "$base/data/$set" --model "$out/model" --graph "$base/graph" "${weights[@]}" --out "$out/$set"
    asr score --latin letter --ref "$base/data/$set/text" --hyp "$out/$set/hyp.txt" --set-name "$set" --out "$out/$set"
  done
  .venv/bin/python - "$name" "$out" <<'PY'
import json
import sys
from pathlib import Path

name, out = sys.argv[1], Path(sys.argv[2])
events = [json.loads(line) for line in (out / "model/log/train.jsonl").read_text("utf-8").splitlines()]
start, done = (next(event for event in events if event["event"] == kind) for kind in ("start", "done"))
lines = {set_: (out / set_ / "cer").read_text("utf-8").splitlines()[0] for set_ in ("dev", "test")}
low, high = json.loads((out / "test/scores.json").read_text("utf-8"))["cer"]["interval"]
print(
    f"{name:<18} {done['frames_of_originals'] / 360000:>6.2f} {done['frames_seen'] / 360000:>6.2f} "
    f"{start['layers']} × {start['width']:<5} {start['minibatch']:>4} {start['dropout']:>4g} {start['eta0']:>6.3g} "
    f"{done['seconds']:>7.0f} "
    f"{lines['test']:<52} {f'{low:.2f} to {high:.2f}':<16} {lines['dev']}",
    flush=True,
)
PY
}

train_base
[[ " $rows" != *" words"* ]] || train_words
printf '%-18s %6s %6s %-9s %4s %4s %6s %7s %-52s %-16s %s\n' row hours seen network mini drop eta0 seconds test interval dev
for row in $rows; do
  base=$exp
  [[ $row != words* ]] || base=${exp}_words
  asr graph --lang "$base/lang" --model-dir "$base/ali" --out "$base/graph"
  result "$row" "$base" # the language model of words-rows has the same text
done
