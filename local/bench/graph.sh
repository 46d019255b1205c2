#!/usr/bin/env bash
# Decoding graphs of growing size: arcs, seconds and most memory, each beside what `asr graph` foretold.
#   local/bench/graph.sh                  up to three million arcs, about three minutes on one core
#   local/bench/graph.sh --words 600000   and one of so many words of text besides (the largest is 3.6 times as large)
# Kaldi's own lang directory of the AISHELL sample, then trigram models of random text over its lexicon (characters,
# and made-up words of up to three); with its triphone tree, and its monophones. The real data: ../shared/data.
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

# the step that removes epsilons is compiled once, which is no part of a graph's time
python -m asr graph --lang "$sample/lang" --model-dir "$sample/mono_ali" --out "$place/warm" >/dev/null
printf '%-34s %10s %10s  %8s %9s  %8s %8s\n' '' arcs foretold seconds foretold memory foretold
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
