#!/usr/bin/env bash
# Measures systems on common_voice: 193 people on their own microphones, none of whom stands in two sets. Prints one row a
# system: character error rates of dev and test, the latter with its interval by bootstrap over speakers, held-out
# cross-entropy, CPU seconds, and CPU seconds a second of decoded speech. Then the differences from the first network.
#   local/bench/common_voice.sh                            all systems and seeds: most of a day on two cores
#   local/bench/common_voice.sh --systems "tri lda sat"    Gaussians alone: an hour
#   local/bench/common_voice.sh --systems "net unadapted" --seeds 1
#   local/bench/common_voice.sh --show                     print what is there, run nothing
# systems: tri lda sat, Gaussians; net, a network with all defaults; and what differs from net by one choice:
#   unadapted   hears no adapted columns                     blocks      frames shuffled in blocks of 400,000
#   tri-net     the triphones' tree and alignments, unadapted
#   speeds      copies at 0.9 and 1.1 times the speed        noisy       also one copy in noise and rooms
# Every system is decoded twice: with word frequencies in the language model, and with that of the transcripts alone.
# Skips what is finished and resumes what was killed. Data: ../shared/data/common_voice (see its README.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
systems='tri lda sat net unadapted blocks tri-net speeds noisy' seeds='1 2 3' exp=exp/common_voice show=''
while (($#)); do
  case $1 in
    --systems) systems=$2; shift 2 ;;
    --seeds) seeds=$2; shift 2 ;;
    --exp) exp=$2; shift 2 ;;
    --show) show=yes; shift ;;
    *) echo "no option $1; see the head of local/bench/common_voice.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
data=../shared/data/common_voice/data
asr() { .venv/bin/python -m asr "$@" >&2; }

prepare() { # data, features, alignments of every rung, and both language models
  ./run.sh --recipe kaldi --exp "$exp" --train-dir "$data/train" --dev-dir "$data/dev" --test-dir "$data/test" \
    --set align.upto=sat --set lang.general=none --stop-stage 4 >&2
  asr lang --text "$exp/data/train/text" --dev-text "$exp/data/dev/text" --phones "$exp/ali/phones.txt" \
    --general wordfreq --out "$exp/lang.general"
}
copies() { # NAME: perturbed copies of the training data, their features and alignments; nothing for other systems
  local noisy
  case $1 in speeds) noisy=0 ;; noisy) noisy=1 ;; *) return 0 ;; esac
  asr perturb --data "$exp/data/train" --out "$exp/data/train.$1" --noisy-copies "$noisy" --seed 1
  asr features --data "$exp/data/train.$1" --out "$exp/features/train.$1"
  asr align --originals "$exp/ali" --train-data "$exp/data/train.$1" --dev-data "$exp/data/dev" --out "$exp/ali.$1"
}
trained() { # system seed: trains a network
  local train=train ali=ali options=()
  case $1 in
    unadapted) options=(--adapt none) ;;
    blocks) options=(--block-frames 400000) ;;
    tri-net)
      ali=ali.tri options=(--adapt none)
      asr align --ali-dir "$exp/ali/tri" --train-data "$exp/data/train" --dev-data "$exp/data/dev" --lang "$exp/lang" \
        --out "$exp/ali.tri"
      ;;
    speeds | noisy) train=train.$1 ali=ali.$1 ;;
  esac
  asr train --config recipes/kaldi/recipe.cfg --train-data "$exp/data/$train" --dev-data "$exp/data/dev" \
    --ali "$exp/$ali" --out "$exp/$1-$2" --seed "$2" "${options[@]}"
}
decoded() { # model folder of HMMs, network or the same, folder of results: both language models, weights chosen on dev
  local lm set out
  for lm in lang lang.general; do
    out=$3/${lm/lang/lm}
    asr graph --lang "$exp/$lm" --model-dir "$1" --out "$exp/graph/$(basename "$1").$lm"
    for set in dev test; do
      local weights=(--tune true)
      [[ $set == dev ]] || weights=(--tuned "$out/decode_dev/decode.json")
      asr decode --data "$exp/data/$set" --model "$2" --graph "$exp/graph/$(basename "$1").$lm" "${weights[@]}" \
        --lattices false --out "$out/decode_$set"
      asr score --ref "$exp/data/$set/text" --hyp "$out/decode_$set/hyp.txt" --utt2spk "$exp/data/$set/utt2spk" \
        --set-name "$set" --out "$out/decode_$set"
    done
  done
}

if [[ -z $show ]]; then
  prepare
  for system in $systems; do
    case $system in
      tri | lda | sat) decoded "$exp/ali/$system" "$exp/ali/$system" "$exp/gaussians/$system" ;;
      *)
        copies "$system"
        for seed in $seeds; do
          trained "$system" "$seed"
          hmm=$exp/ali
          [[ $system != tri-net ]] || hmm=$exp/ali.tri
          decoded "$hmm" "$exp/$system-$seed" "$exp/$system-$seed"
        done
        ;;
    esac
  done
fi
.venv/bin/python local/bench/common_voice.py "$exp" "$systems" "$seeds"
