#!/usr/bin/env bash
# Prints the character error rate on real speech: recipes/kaldi on 0.85 h of AISHELL, with Kaldi's lang directory and
# alignments. With --from-scratch, it makes its own alignments.
# Data: ../shared/data (see its README.md for the protocol). Options go to run.sh, such as --exp DIR or --seed 2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
data=../shared/data
[[ -d $data/kaldi_aishell_sample && -f $data/cmn_words/words.txt ]] || {
  echo "$data: the AISHELL sample is missing" >&2
  exit 2
}
# the protocol's language model knows the words of cmn_words, so the model that chooses its weight may know them too
lm_text=$data/cmn_words/words.txt
alignments=(--ali-dir "$data/kaldi_aishell_sample/tri1_ali")
[[ " $* " != *" --from-scratch "* ]] || alignments=()
exec ./run.sh --recipe kaldi --exp exp/aishell_sample \
  --train-dir "$data/aishell_sample/data/train" --test-dir "$data/aishell_sample/data/test" \
  --lang-dir "$data/kaldi_aishell_sample/lang" "${alignments[@]}" \
  --lm-text "$lm_text" --set score.latin=letter --set decode.latin=letter "$@"
