#!/usr/bin/env bash
# Compares what `asr train` predicts with what it takes: seconds and memory for several sizes of network, on the AISHELL
# sample with our own alignments (trains exp/units first if it is missing).
#   local/bench/sizes.sh [--workers N] [--size 'LAYERS WIDTH MINIBATCH' ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
exp='' workers=2 sizes=()
while (($#)); do
  case $1 in
    --workers) workers=$2; shift 2 ;;
    --size) sizes+=("$2"); shift 2 ;;
    *) echo "no option $1; see the head of local/bench/sizes.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/bench/sample.sh
. local/bench/sample.sh
train_sample 5
place=$(mktemp -d -p exp sizes.XXXX)
trap 'rm -rf "$place"' EXIT
printf '%-12s %9s %18s %18s %18s\n' layers minibatch 'seconds expected' 'of the pass' 'in all'
((${#sizes[@]})) || sizes=('4 512 64' '4 512 256' '5 1024 256')
for size in "${sizes[@]}"; do
  read -r layers width minibatch <<<"$size"
  for block in 0 100000; do
    rm -rf "$place/model"
    .venv/bin/python local/bench/peak.py --json "$place/peak.json" .venv/bin/python -m asr train --train-data "$exp/data/train" \
      --dev-data "$exp/data/dev" --ali "$exp/ali" --workers "$workers" --layers "$layers" --width "$width" \
      --minibatch "$minibatch" --block-frames "$block" --eta0 0.1 --out "$place/model" >&2
    .venv/bin/python - "$place" "$block" <<'PY'
import json
import sys
from pathlib import Path

place, block = Path(sys.argv[1]), int(sys.argv[2])
events = [json.loads(line) for line in (place / "model/log/train.jsonl").read_text("utf-8").splitlines()]
start = next(event for event in events if event["event"] == "start")
done = next(event for event in events if event["event"] == "done")
peak = json.loads((place / "peak.json").read_text("utf-8"))
print(
    f"{start['layers']} × {start['width']:<8} {start['minibatch']:>9} {start['expected_seconds']:>18.1f} {done['seconds']:>18.1f} "
    f"{peak['seconds']:>18.1f}   {f'blocks of {block:,}' if block else 'all shuffled'}: expected {start['expected_bytes'] / 1e9:.2f} GB, had {peak['bytes'] / 1e9:.2f}",
    flush=True,
)
PY
  done
done
