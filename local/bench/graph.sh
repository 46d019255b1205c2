#!/usr/bin/env bash
# Measures decoding graphs of growing size: arcs, seconds and peak memory, each beside the estimate of `asr graph`.
#   local/bench/graph.sh                  up to three million arcs, about three minutes on one core
#   local/bench/graph.sh --words 600000   and a graph of a text of so many words (the largest is 3.6 times as large)
# Uses Kaldi's lang directory of the AISHELL sample, then trigram models of random text over its lexicon (characters, and
# new words of up to three characters), with its triphone tree and its monophones. Needs ../shared/data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
more=''
while (($#)); do
  case $1 in
    --words) more=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/graph.sh" >&2; exit 2 ;;
  esac
done
sample=../shared/data/kaldi_aishell_sample
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python() { .venv/bin/python "$@"; }

measured() { # name lang model: one row
  local said
  said=$(python -m asr graph --lang "$2" --model-dir "$sample/$3" --out "$place/graph")
  sed -E -n 's/^graph: about ([0-9,]+) arcs, (.*) and ([0-9.,]+ .B) are exp.*/\1|\2|\3/p; s/^graph: .* states, ([0-9,]+) arcs, .* in ([0-9.]+ s) and ([0-9]+ MB)$/\1|\2|\3/p' <<<"$said" |
    paste -sd '|' | awk -F '|' -v name="$1, $3" '{ printf "%-34s %10s %10s  %8s %9s  %8s %8s\n", name, $4, $1, $5, $2, $6, $3 }'
  rm -rf "$place/graph"
}

# the step that removes epsilons is compiled once, which does not count as a graph's time
python -m asr graph --lang "$sample/lang" --model-dir "$sample/mono_ali" --out "$place/warm" >/dev/null
printf '%-34s %10s %10s  %8s %9s  %8s %8s\n' '' arcs estimate seconds estimate memory estimate
for model in mono_ali tri1_ali; do measured "Kaldi's lang" "$sample/lang" "$model"; done
grammar() { # name words length
  python local/bench/graph_sizes.py "$sample/lang" "$place/lang" "$2" "$3" 2>/dev/null
  for model in mono_ali tri1_ali; do measured "$1, $2 words" "$place/lang" "$model"; done
  rm -rf "$place/lang"
}
grammar characters 60000 1
grammar words 30000 3
grammar characters 200000 1
grammar words 100000 3
if [[ -n $more ]]; then
  grammar characters "$more" 1
  grammar words "$more" 3
fi
