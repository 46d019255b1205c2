#!/usr/bin/env bash
# Compares one pass of async-asgd with async-sgd and newbob to convergence: same data, network, workers and seeds. Prints
# passes, seconds, CPU seconds, held-out cross-entropy and character error rate on dev and test for each run.
# A method may have its own options for `asr train`: NAME:OPTION=VALUE,OPTION=VALUE.
#   local/bench/passes.sh                      20 hours of mini, seeds 1 2 3, 4×256: takes most of a day on two cores
#   local/bench/passes.sh --hours 3 --seeds "1 2"
#   local/bench/passes.sh --exp exp/aishell_sample --methods "async-asgd async-asgd:natural-gradient=off async-sgd" \
#     -- --layers 4 --width 512 --minibatch 64
# --exp: an experiment whose stages 1 to 4 are done. --workers N, default 2. Options after -- go to `asr train`.
# Skips a finished run and resumes a killed one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
hours=20 seeds='1 2 3' exp='' methods='async-asgd async-sgd' workers=2 options=(--layers 4 --width 256 --minibatch 256)
while (($#)); do
  case $1 in
    --hours) hours=$2; shift 2 ;;
    --seeds) seeds=$2; shift 2 ;;
    --exp) exp=$2; shift 2 ;;
    --methods) methods=$2; shift 2 ;;
    --workers) workers=$2; shift 2 ;;
    --) shift; options=("$@"); break ;;
    *) echo "no option $1; see the head of local/bench/passes.sh" >&2; exit 2 ;;
  esac
done
if [[ -z $exp ]]; then
  exp=exp/mini$hours
  ./run.sh --exp "$exp" --set "prepare.hours=$hours" --stop-stage 4
fi
asr() { .venv/bin/python -m asr "$@"; }

for seed in $seeds; do
  for method in $methods; do
    model=$exp/$method-$seed own=()
    if [[ $method == *:* ]]; then
      IFS=, read -ra own <<<"${method#*:}"
    fi
    asr train --train-data "$exp/data/train" --dev-data "$exp/data/dev" --ali "$exp/ali" --out "$model" \
      --method "${method%%:*}" --seed "$seed" --workers "$workers" --eta0 auto "${options[@]}" "${own[@]/#/--}"
    asr graph --lang "$exp/lang" --model-dir "$exp/ali" --out "$exp/graph"
    tune=(--graph "$exp/graph" --tune true)
    if [[ -f $exp/lang/tune/G.fst ]]; then # a supplied language model has seen dev: see run.sh
      asr graph --lang "$exp/lang" --g "$exp/lang/tune/G.fst" --model-dir "$exp/ali" --out "$exp/graph_tune"
      tune+=(--tune-graph "$exp/graph_tune" --latin letter)
    else
      tune+=(--tune-minutes 4)
    fi
    asr decode --data "$exp/data/dev" --model "$model" "${tune[@]}" --out "$model/decode_dev"
    asr decode --data "$exp/data/test" --model "$model" --graph "$exp/graph" \
      --tuned "$model/decode_dev/decode.json" --out "$model/decode_test"
    for set in dev test; do
      latin=()
      [[ ! -f $exp/lang/tune/G.fst ]] || latin=(--latin letter)
      asr score --ref "$exp/data/$set/text" --hyp "$model/decode_$set/hyp.txt" --set-name "$set" \
        --utt2spk "$exp/data/$set/utt2spk" --out "$model/decode_$set" "${latin[@]}"
    done
  done
done
.venv/bin/python - "$exp" "$methods" "$seeds" <<'PY'
import json
import statistics
import sys
from pathlib import Path

exp, methods, seeds = Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3].split()
found = {}
print("method seed passes seconds CPU-seconds held-out-CE accuracy% dev-CER test-CER interval")
for method in methods:
    for seed in seeds:
        model = exp / f"{method}-{seed}"
        done = json.loads((model / "log" / "train.jsonl").read_text().splitlines()[-1])
        rates = [json.loads((model / f"decode_{name}" / "scores.json").read_text())["cer"] for name in ("dev", "test")]
        low, high = rates[1]["interval"]
        found.setdefault(method, []).append((done["seconds"], done["cpu_s"], rates[1]["rate"]))
        print(
            f"{method} {seed} {done['passes']} {done['seconds']:.0f} {done['cpu_s']:.0f} {done['ce']:.4f} "
            f"{100 * done['accuracy']:.2f} {rates[0]['rate']:.2f} {rates[1]['rate']:.2f} {low:.2f}-{high:.2f}"
        )
means = {method: [statistics.mean(column) for column in zip(*rows, strict=True)] for method, rows in found.items()}
one = means[methods[0]]
for method in methods[1:]:
    other = means[method]
    print(
        f"{method} took {other[0] / one[0]:.1f} times as long as {methods[0]} ({other[1] / one[1]:.1f} times the CPU time); "
        f"test CER {other[2]:.2f} against {one[2]:.2f}"
    )
PY
