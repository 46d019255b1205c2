#!/usr/bin/env bash
# Judges choices of a training on slices of common_voice's train: the cross-entropy of all frames of dev, whose 22 speakers
# no training hears, with transforms of their transcripts. Prints one row a choice and size.
#   local/bench/choices.sh                                      all choices, 1 and 3 h: two hours on two cores
#   local/bench/choices.sh --sizes all --choices "base context-12"
# sizes: hours of random speakers, or all (114 speakers, 8.81 h), with the tree, the alignments and the transforms of all.
# A choice differs from base by the options beside its name below; what they leave open follows the rules of sizing.py.
# Needs the experiment of local/bench/common_voice.sh, skips what is finished. It says nothing about wider context: that
# lowers the cross-entropy and not the character error rate (RESULTS.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
sizes='1 3' exp=exp/common_voice seed=1
declare -A options=(
  [base]='' [minibatch-32]='--minibatch 32 --eta0 0.14' [minibatch-64]='--minibatch 64 --eta0 0.2'
  [minibatch-128]='--minibatch 128 --eta0 0.3' [minibatch-256]='--minibatch 256 --eta0 0.4'
  [width-384]='--width 384' [width-512]='--width 512' [width-704]='--width 704' [width-1024]='--width 1024'
  [layers-3]='--layers 3' [layers-6]='--layers 6' [dropout-0.1]='--dropout 0.1' [masks]='--mask-bins 8'
  [falling]='--end-ratio 3' [forget-0]='--adapt-forget 0' [forget-0.4]='--adapt-forget 0.4' [context-12]='--context 12'
  [speeds]='' [noisy]='' [speeds-dropout]='--dropout 0.2' [noisy-dropout]='--dropout 0.2'
)
choices='base minibatch-32 minibatch-64 minibatch-128 minibatch-256 width-384 width-512 width-704 width-1024 layers-3 layers-6
  dropout-0.1 masks falling forget-0 forget-0.4 speeds noisy speeds-dropout noisy-dropout'
while (($#)); do
  case $1 in
    --sizes) sizes=$2; shift 2 ;;
    --choices) choices=$2; shift 2 ;;
    --exp) exp=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/choices.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
asr() { .venv/bin/python -m asr "$@" >&2; }

slice() { # hours, or all: the data directory of some speakers, drawn at random
  [[ $1 != all ]] || return 0
  asr subset --data "$exp/data/train" --out "$exp/choices/data/train.$1" --hours "$1"
  asr features --data "$exp/choices/data/train.$1" --out "$exp/choices/features/train.$1"
}
copies() { # data directory, kind, name: perturbed copies of it with features and alignments
  local noise=(--noisy-copies 0)
  [[ $2 == speeds ]] || noise=(--speeds 1.0 --noisy-copies 1)
  asr perturb --data "$1" --out "$exp/choices/data/$3" "${noise[@]}" --seed 1
  asr features --data "$exp/choices/data/$3" --out "$exp/choices/features/$3"
  asr align --originals "$exp/ali" --train-data "$exp/choices/data/$3" --dev-data "$exp/data/dev" --out "$exp/choices/ali.$3"
}

printf '%-6s %-15s %9s %9s %8s %9s %8s\n' hours choice layers minibatch eta0 'dev CE' 'CPU s'
for size in $sizes; do
  slice "$size"
  whole=$exp/choices/data/train.$size
  [[ $size != all ]] || whole=$exp/data/train
  for choice in $choices; do
    [[ -v options[$choice] ]] || { echo "no choice $choice; see local/bench/choices.sh" >&2; exit 2; }
    data=$whole ali=$exp/ali out=$exp/choices/$size.$choice.$seed
    case $choice in
      speeds* | noisy*)
        kind=${choice%-dropout}
        copies "$whole" "$kind" "train.$size.$kind"
        data=$exp/choices/data/train.$size.$kind ali=$exp/choices/ali.train.$size.$kind
        ;;
    esac
    case $size in 1) eta0=0.2 ;; 3) eta0=0.3 ;; *) eta0=0.4 ;; esac
    # shellcheck disable=SC2086
    asr train --train-data "$data" --dev-data "$exp/data/dev" --ali "$ali" --out "$out" --seed "$seed" --eta0 "$eta0" \
      ${options[$choice]} --heldout-frames 200000 --evaluations 2
    .venv/bin/python - "$out/log/train.jsonl" "$size" "$choice" <<'PY'
import json
import sys
from pathlib import Path

events = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
start = next(event for event in events if event["event"] == "start")
done = events[-1]
shape = f"{start['layers']}×{start['width']}"
print(f"{sys.argv[2]:<6} {sys.argv[3]:<15} {shape:>9} {start['minibatch']:>9} {start['eta0']:>8} {done['ce']:>9.4f} {done['cpu_s']:>8.0f}", flush=True)
PY
  done
done
