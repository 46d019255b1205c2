#!/usr/bin/env bash
# shellcheck disable=SC2154 # the script that sources this file sets exp and model
# Sourced by units.sh, language_model.sh, transcribing.sh, sizes.sh and perturbed.sh. Reads exp and model (a trained one).
# Defines `train_sample`. Defines `heads`, `row` and `rescored` for tables of one network: each row makes its own lang
# directory and graph, and chooses the weights on dev.
data=../shared/data
lm_text=$data/cmn_words/words.txt # all words: sounds exist for a third of them only

train_sample() { # last stage: if exp is empty, trains on the AISHELL sample by its protocol, with our own tools, in exp/units
  [[ -f $lm_text ]] || {
    echo "$lm_text: no such file (words of the language model)" >&2
    exit 2
  }
  if [[ -z $exp ]]; then
    exp=exp/units
    ./run.sh --recipe kaldi --exp "$exp" --train-dir "$data/aishell_sample/data/train" \
      --test-dir "$data/aishell_sample/data/test" --lm-text "$lm_text" \
      --set lang.general=none --stop-stage "$1" >&2
  fi
}
asr() { .venv/bin/python -m asr "$@" >&2; }

heads() { # prints the head of a table
  printf '%-22s %6s %44s %9s %9s  %-52s %-20s %s\n' "$1" words n-grams arcs 'perplex.' 'test' 'interval' 'dev'
}
row() { # name folder [options of `asr lang`]
  local name=$1 out=$2
  shift 2
  asr lang --text "$exp/data/train/text" --dev-text "$exp/data/dev/text" --lm-text "$lm_text" --general none "$@" \
    --phones "$exp/ali/phones.txt" --out "$out/lang"
  asr graph --lang "$out/lang" --model-dir "$exp/ali" --out "$out/graph"
  asr decode --data "$exp/data/dev" --model "$exp/$model" --graph "$out/graph" --tune true --latin letter --out "$out/dev"
  asr decode --data "$exp/data/test" --model "$exp/$model" --graph "$out/graph" --tuned "$out/dev/decode.json" \
    --out "$out/test"
  figures "$name" "$out" "$out" "$out"
}
rescored() { # name folder lattices' row grammar's row: applies the language model of one row to the lattices of another
  local name=$1 out=$2 set weights
  for set in dev test; do
    weights=(--tuned "$out/dev/decode.json")
    [[ $set == test ]] || weights=(--tune true --latin letter)
    asr rescore --decoded "$3/$set" --lang "$3/lang" --arpa "$4/lang/lm.arpa" "${weights[@]}" --out "$out/$set"
  done
  figures "$name" "$out" "$4" "$3"
}
figures() { # name folder, row of the grammar, row of the graph: scores, and prints one row
  local set
  for set in dev test; do
    asr score --latin letter --ref "$exp/data/$set/text" --hyp "$2/$set/hyp.txt" --set-name "$set" --out "$2/$set"
  done
  .venv/bin/python - "$@" <<'PY'
import json
import sys
from pathlib import Path

name, (out, grammar, graph) = sys.argv[1], map(Path, sys.argv[2:])
lang = json.loads((grammar / "lang/lang.json").read_text("utf-8"))
arcs = json.loads((graph / "graph/graph.json").read_text("utf-8"))["arcs"]
lines = {name: (out / name / "cer").read_text("utf-8").splitlines()[0] for name in ("dev", "test")}
low, high = json.loads((out / "test/scores.json").read_text("utf-8"))["cer"]["interval"]
perplexity = lang["dev"]["perplexity_a_character"]
ngrams = " + ".join(f"{count:,}" for count in lang["ngrams"])
print(
    f"{name:<22} {lang['words']:>6} {ngrams:>44} {arcs:>9,} {perplexity:>9.1f}  {lines['test']:<52} "
    f"{f'{low:.2f} to {high:.2f}':<20} {lines['dev']}"
)
PY
}
