#!/usr/bin/env bash
# Compares one pass of asynchronous averaged SGD with many passes and with other methods, under one protocol: the same data,
# alignments, initial weights, workers and seeds, each system tuned on a slice of train. Prints tables; see README.md.
#   recipes/compare/run.sh                        everything, on common_voice: days on two cores
#   recipes/compare/run.sh --evening              one hour of speech, two seeds: an evening
#   recipes/compare/run.sh --ci                   three minutes of speech, two systems: two minutes
#   recipes/compare/run.sh --groups "main" --show print what is there, measure nothing
#   recipes/compare/run.sh --exp exp/mine         another experiment whose stages 1 to 4 are done
#   recipes/compare/run.sh --recipe mini --hours 20
# Each result is a small file under results/, by experiment (--ci: under its own folder). What is there is not measured
# again; a killed run goes on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exp='' recipe='' hours=3 size=full groups='' results='' show=() workers=2
while (($#)); do
  case $1 in
    --evening | --ci) size=${1#--}; shift ;;
    --exp) exp=$2; shift 2 ;;
    --recipe) recipe=$2; shift 2 ;;
    --hours) hours=$2; shift 2 ;;
    --groups) groups=$2; shift 2 ;;
    --results) results=$2; shift 2 ;;
    --workers) workers=$2; shift 2 ;;
    --show) show=(--show); shift ;;
    *) echo "no option $1; see the head of recipes/compare/run.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
prepared() { # folder, options: stages 1 to 4
  exp=${exp:-$1}
  [[ -n ${show[*]} ]] || ./run.sh --exp "$exp" --stop-stage 4 "${@:2}" >&2
}
if [[ -z $exp || -n $recipe || $size == ci ]]; then
  case $recipe:$size in
    mini:*) prepared "exp/mini$hours" --recipe mini --set "prepare.hours=$hours" ;;
    :ci)
      results=${results:-exp/compare-ci/results/mini}
      prepared exp/compare-ci --recipe mini --hours 0.05
      ;;
    :*)
      data=../shared/data/common_voice/data
      prepared exp/common_voice --recipe kaldi --train-dir "$data/train" --dev-dir "$data/dev" --test-dir "$data/test" \
        --set align.upto=sat --set lang.general=none
      ;;
    *) echo "--recipe $recipe: there is mini" >&2; exit 2 ;;
  esac
fi
read -ra chosen <<<"$groups"
exec .venv/bin/python recipes/compare --exp "$exp" --results "${results:-recipes/compare/results/$(basename "$exp")}" \
  --size "$size" --workers "$workers" "${show[@]}" ${chosen:+--groups "${chosen[@]}"}
