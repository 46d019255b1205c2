#!/usr/bin/env bash
# Tries other ways to adapt to the speaker on top of a network that hears fMLLR columns; prints one row a choice.
#   local/bench/speakers.sh                      all of it, on the experiment of local/bench/common_voice.sh
#   local/bench/speakers.sh --parts "scales"     one part
# scales: hidden unit scales (LHUC) fitted to each speaker's first pass, scored on the same utterances, which they
#         confirm, and on others; with true targets too, which no fitting can beat; then decoded
# inputs: networks on a sixth of train: i-vectors; normalisation by utterance or by a window of 300 frames
# warp:   vocal tract length warping: what it adds to fMLLR's log-likelihood
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
parts='scales inputs warp' exp=exp/common_voice
while (($#)); do
  case $1 in
    --parts) parts=$2; shift 2 ;;
    --exp) exp=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/speakers.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
export OMP_NUM_THREADS=1
bench() { # script, options: prints the command, then runs it
  local script=$1; shift
  echo "\$ python local/bench/speakers/$script.py --exp $exp $*"
  .venv/bin/python "local/bench/speakers/$script.py" --exp "$exp" "$@"
}

[[ -f $exp/speakers/net-1.dev/heard.npz ]] || bench first_pass --model net-1 --set dev
for part in $parts; do
  case $part in
    scales)
      bench lhuc --every 3 --rates 0.01 0.03
      bench lhuc --every 3 --rates 0.01 --folds 2 --targets best confident soft reference
      bench lhuc --every 3 --epochs 1 --rates 0.003 0.01 --weights 0 100 --folds 2 --targets reference
      bench lhuc --every 3 --epochs 1 --rates 0.003 --layers 0 --kinds lhuc norm --folds 2 --targets reference best
      bench lhuc --least 8000 --rates 0.003 --folds 2 --targets reference best --most 0 2000 500
      bench lhuc --rates 0.01 --targets confident --decode
      ;;
    inputs)
      bench ivectors --size 50 --name ivector-50
      for variant in base ivector utterance window; do
        bench variants "$variant"
      done
      bench variants base ivector utterance window --measure
      ;;
    warp) bench vtln --sets dev --gain ;;
    *) echo "no part $part; see the head of local/bench/speakers.sh" >&2; exit 2 ;;
  esac
done
