#!/usr/bin/env bash
# Yibian: from a Mandarin corpus to a character error rate. See --help.
set -euo pipefail
started_in=$PWD
command_line=("$0" "$@")
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<EOF
usage: ./run.sh [options]

  --recipe NAME        corpus recipe, a folder of recipes/      (default: mini, synthesised on the spot)
  --exp DIR            folder of all results                    (default: exp/NAME)
  --model NAME         name of the model folder in it           (default: asgd)
  --stage N            first stage to run                       (default: 1)
  --stop-stage N       last stage to run                        (default: 9)
  --nj N               processes; 0: one per core               (default: 0)
  --workers N          training workers; 0: one per core        (default: 0; 1: repeatable bit for bit)
  --seed N             of corpus, splits, weights, shuffling    (default: 1)
  --from-scratch       align only with sound and transcripts    (mini: instead of the synthesiser's phone times)
  --units UNITS        words: chars; spm (sentencepiece); own (separated by spaces)         (default: chars)
  --vocab N            number of words with --units spm         (default: characters of the corpus and a tenth more)
  --rounds N           realign with the network and train again, N times                    (default: 0)
  --perturb WHAT       also train on copies: speed (at 0.9 and 1.1); noisy (also one in noise and rooms)
  --set VERB.KEY=VALUE any setting of any stage, repeatable; python -m asr VERB --help lists them
  --force              run the stages even if nothing changed
  -h, --help           this text

stages: 1 prepare  2 features  3 lang  4 align  5 train  6 graph  7 decode  8 score  9 report

mini:   --hours H      hours of training speech, 0.1 to 200     (default: 3)
aishell, thchs30, commonvoice:
        --corpus-dir D      the unpacked corpus
        --download          aishell, thchs30: fetch it from OpenSLR into that folder first
folder: --corpus-dir D      any folder of recordings; transcripts in a table, beside the sounds, or in their names
        --text-from WAY     which of them: table, beside, names       (default: the first that exists)
        --columns A=B,...   columns of a table: sound=NAME,text=NAME,...; --table FILE names the table
        --speaker-pattern P, --name-pattern P, --channel N            see recipes/folder/README.md
aishell2: --train-dir D [--dev-dir D] [--test-dir D]            folders with wav.scp and trans.txt
kaldi:  --train-dir D --test-dir D [--dev-dir D]                Kaldi data directories
        --lang-dir D   Kaldi lang directory; none: made from the transcripts
        --ali-dir D    alignments: Kaldi's (ali.*.gz final.mdl tree), CTM, TextGrids, HTK labels; none: made here
        --lm-text FILE more text for the language model that is used to tune on a dev set cut from train
        --allow-pipes  run the commands that wav.scp may hold
all but mini:
        --encoding E   of the transcripts                       (default: utf-8)
        --resample     convert sound of a higher sample rate to 16 kHz (folder, commonvoice: always)
        --rate-hz N    use another sample rate than 16000 throughout
        --max-missing X     largest share of the utterances that a stage may leave out  (default: 0.05)

The same command again runs only what is out of date, and continues where a killed run stopped.
  ./run.sh
  ./run.sh --recipe folder --corpus-dir recordings
  ./run.sh --recipe kaldi --train-dir data/train --test-dir data/test
  ./run.sh --recipe kaldi --train-dir data/train --test-dir data/test --lang-dir data/lang --ali-dir exp/tri1_ali
EOF
}

recipe=mini exp='' model=asgd stage=1 stop_stage=9 nj=0 workers=0 seed=1 rounds=0 from_scratch=''
corpus_dir='' perturb='' train_dir='' test_dir='' dev_dir='' lang_dir='' ali_dir='' lm_text='' units='' vocab='' force='' settings=()
# shellcheck source=local/options.sh
. local/options.sh
parse_options "$@"
exp=${exp:-exp/$recipe}
# shellcheck source=local/children.sh
. local/children.sh
end_by_signals
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
# shellcheck source=local/stages.sh
. local/stages.sh

prepare() {
  asr prepare --script "recipes/$recipe/prepare.py" --out "$exp/data" --seed "$seed" --nj "$nj" \
    ${corpus_dir:+--corpus-dir "$corpus_dir"} ${train_dir:+--train-dir "$train_dir"} ${test_dir:+--test-dir "$test_dir"} \
    ${dev_dir:+--dev-dir "$dev_dir"}
}
features() {
  local set
  for set in train dev test; do
    asr features --data "$exp/data/$set" --out "$exp/features/$set" --nj "$nj" || return
  done
  if [[ -n $perturb ]]; then
    asr perturb --data "$exp/data/train" --out "$exp/data/$train" --noisy-copies "$noisy" --seed "$seed" || return
    asr features --data "$exp/data/$train" --out "$exp/features/$train" --nj "$nj"
  fi
}
lang() {
  if [[ -n $lang_dir ]]; then
    asr lang --lang-dir "$lang_dir" --out "$exp/lang" ${lm_text:+--lm-text "$lm_text"} \
      ${tune_lm:+--tune-text "$exp/data/train/text"}
  else
    asr lang --text "$exp/data/train/text" --dev-text "$exp/data/dev/text" --out "$exp/lang" \
      ${phones:+--phones "$phones"} ${lm_text:+--lm-text "$lm_text"} ${units:+--units "$units"} \
      ${vocab:+--vocab "$vocab"}
  fi
}
align() {
  asr align ${ali_dir:+--ali-dir "$ali_dir"} --train-data "$exp/data/train" --dev-data "$exp/data/dev" \
    --lang "$exp/lang" --out "$exp/ali" --seed "$seed" --nj "$nj" || return
  if [[ -n $perturb ]]; then
    asr align --originals "$exp/ali" --train-data "$exp/data/$train" --dev-data "$exp/data/dev" --out "$exp/$ali"
  fi
}
train() {
  asr train --train-data "$exp/data/$train" --dev-data "$exp/data/dev" --ali "$exp/$ali" --out "$exp/$first" \
    --workers "$workers" --seed "$seed" || return
  if ((rounds)); then
    asr realign --model "$exp/$first" --ali "$exp/ali" --lang "$exp/lang" --train-data "$exp/data/train" \
      --dev-data "$exp/data/dev" --rounds "$rounds" --out "$exp/$first.rounds" --nj "$nj"
  fi
}
graph() {
  asr graph --lang "$exp/lang" --model-dir "$exp/ali" --out "$exp/$model/graph" || return
  if [[ -n $tune_lm ]]; then
    asr graph --lang "$exp/lang" --g "$exp/lang/tune/G.fst" --model-dir "$exp/ali" --out "$exp/$model/graph_tune"
  fi
}
decode() {
  asr decode --data "$exp/data/dev" --model "$exp/$model" --graph "$exp/$model/graph" --tune true \
    --out "$exp/$model/decode_dev" --nj "$nj" ${tune_lm:+--tune-graph "$exp/$model/graph_tune"} || return
  asr decode --data "$exp/data/test" --model "$exp/$model" --graph "$exp/$model/graph" \
    --tuned "$exp/$model/decode_dev/decode.json" --out "$exp/$model/decode_test" --nj "$nj"
}
score() {
  local set
  for set in dev test; do
    asr score --ref "$exp/data/$set/text" --hyp "$exp/$model/decode_$set/hyp.txt" --set-name "$set" \
      --utt2spk "$exp/data/$set/utt2spk" --out "$exp/$model/decode_$set" || return
    asr explain --decoded "$exp/$model/decode_$set" --lang "$exp/lang" || return
  done
}
report() {
  asr report --exp "$exp" --model "$exp/$model" --out "$exp/$model/report.html"
}

# mini makes its alignments; a language model of the user may know the sentences of a dev set that is cut from train
[[ $recipe != mini || -n $from_scratch ]] || ali_dir=${ali_dir:-$exp/synth_ali}
phones='' tune_lm=''
[[ -z $ali_dir || (-e $ali_dir && ! -f $ali_dir/phones.txt) ]] || phones=$ali_dir/phones.txt
[[ -z $lang_dir || -n $dev_dir ]] || tune_lm=yes

# the training data: the originals, or these with their perturbed copies
train=train ali=ali noisy=0
[[ -z $perturb ]] || train=train_$perturb ali=ali_$perturb
[[ $perturb != noisy ]] || noisy=1

# the network of the last round is decoded
first=$model
((rounds == 0)) || model=$first.rounds/net$rounds

check_settings
check_first_stage
lock_exp
run_stage 1 prepare
run_stage 2 features
run_stage 3 lang
run_stage 4 align
run_stage 5 train
run_stage 6 graph
run_stage 7 decode
run_stage 8 score
run_stage 9 report
print_results
