#!/usr/bin/env bash
# Prints what an hour of speech costs at several sizes: preparation and features of recipes/mini and of perturbed copies
# (speeds 0.9 and 1.1). Columns: seconds, peak memory of all processes, speed over real time. Needs 0.3 GB of disk per hour.
#   local/bench/hours.sh                 5 and 20 hours
#   local/bench/hours.sh 1 2 40
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
(($#)) || set -- 5 20
mkdir -p exp
place=$(mktemp -d -p exp hours.XXXX)
trap 'rm -rf "$place"' EXIT
measured() { # name command ...
  local name=$1
  shift
  .venv/bin/python local/bench/peak.py --json "$place/$name.json" .venv/bin/python "$@" >&2
}
printf '%6s  %-22s %8s %8s %9s %9s\n' hours stage seconds 's/hour' '× real' memory
for hours; do
  rm -rf "$place"/{data,wav,perturbed,feats}
  measured prepare recipes/mini/prepare.py --hours "$hours" --out "$place/data"
  measured features -m asr features --data "$place/data/train" --out "$place/feats"
  measured perturb -m asr perturb --data "$place/data/train" --speeds 0.9,1.1 --out "$place/perturbed"
  measured features-of-copies -m asr features --data "$place/perturbed" --out "$place/feats"
  .venv/bin/python - "$place" <<'PY'
import json
import sys
from pathlib import Path

place = Path(sys.argv[1])


def hours(data: str) -> float:
    return sum(int(line.split()[1]) for line in (place / data / "utt2num_frames").read_text("utf-8").splitlines()) / 360000


spoken = hours("data/train")
sounds = sum(path.stat().st_size - 44 for path in (place / "wav").rglob("*.wav")) / (2 * 16000 * 3600)
copies = hours("perturbed")
for stage, amount in (("prepare", sounds), ("features", spoken), ("perturb", copies), ("features-of-copies", copies)):
    cost = json.loads((place / f"{stage}.json").read_text("utf-8"))
    times = 3600 * amount / cost["seconds"]
    print(
        f"{spoken:6.2f}  {stage:<22} {cost['seconds']:8.1f} {cost['seconds'] / amount:8.2f} {times:9.0f} "
        f"{cost['bytes'] / 1e6:6.0f} MB",
        flush=True,
    )
PY
done
