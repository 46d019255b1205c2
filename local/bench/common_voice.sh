#!/usr/bin/env bash
# Measures systems on common_voice: 193 people on their own microphones, none of whom stands in two sets. Prints one row a
# system: character error rates of dev and test, the latter with its interval by bootstrap over speakers, held-out
# cross-entropy, CPU seconds, and CPU seconds a second of decoded speech; Kaldi's own below its row. Then the CPU seconds
# of the ladder of Gaussians beside Kaldi's, and the differences from the first network.
#   local/bench/common_voice.sh                            all systems and seeds: most of a day on two cores
#   local/bench/common_voice.sh --systems "tri lda sat tri-no-pitch lda-no-pitch first-no-pitch sat-no-pitch"     an hour
#   local/bench/common_voice.sh --systems "net unadapted" --seeds 1
#   local/bench/common_voice.sh --show                     print what is there, run nothing
# systems: tri lda sat, Gaussians on cepstra and pitch; first, those of sat for features before adaptation, in one pass;
# NAME-no-pitch, the same on cepstra alone; net, a network with all defaults; and what differs from net by one choice:
#   unadapted   hears no adapted columns                     blocks      frames shuffled in blocks of 400,000
#   tri-net     the triphones' tree and alignments, unadapted
#   speeds      copies at 0.9 and 1.1 times the speed        noisy       also one copy in noise and rooms
# net is decoded twice: with word frequencies in the language model, and with that of the transcripts alone, which is the
# only one of all other systems. No search of Gaussians is wider than Kaldi's was: beam 10, 2,000 states; of sat 13, 7,000.
# Skips what is finished and resumes what was killed. Data: ../shared/data/common_voice (see its README.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
systems='tri lda sat tri-no-pitch lda-no-pitch first-no-pitch sat-no-pitch net unadapted blocks tri-net speeds noisy'
seeds='1 2 3' exp=exp/common_voice show=''
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

ladder() { # folder, options: data, features, language model of the transcripts, alignments of every rung
  ./run.sh --recipe kaldi --exp "$1" --train-dir "$data/train" --dev-dir "$data/dev" --test-dir "$data/test" \
    --set align.upto=sat --set lang.general=none "${@:2}" --stop-stage 4 >&2
}
general() { # the language model with word frequencies
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
decoded() { # lang directory, folder of HMMs, network or the same, folder of results, options: weights chosen on dev
  local set graph data_sets
  data_sets=$(dirname "$1")/data
  graph=$(dirname "$1")/graph/$(basename "$2").$(basename "$1")
  asr graph --lang "$1" --model-dir "$2" --out "$graph"
  for set in dev test; do
    local weights=(--tune true ${near:+--search-lm-weight "$near"})
    [[ $set == dev ]] || weights=(--tuned "$4/decode_dev/decode.json")
    asr decode --data "$data_sets/$set" --model "$3" --graph "$graph" "${weights[@]}" "${@:5}" --lattices false \
      --out "$4/decode_$set"
    asr score --ref "$data_sets/$set/text" --hyp "$4/decode_$set/hyp.txt" --utt2spk "$data_sets/$set/utt2spk" \
      --set-name "$set" --out "$4/decode_$set"
  done
}
gaussians() { # system: decodes a rung
  local rung=${1%-no-pitch} in=$exp near=10 beams=(--beam 10 --max-active 2000) system
  [[ $1 == "$rung" ]] || in=$exp/no-pitch
  [[ $rung != sat ]] || beams=(--beam 11 --max-active 3000)
  system=$in/ali/$rung
  if [[ $rung == first ]]; then
    system=$in/first
    mkdir -p "$system"
    cp "$in/ali/sat/"{tree,phones.txt,final.mat,splice_opts,features.json} "$system"
    cp "$in/ali/sat/final.alimdl" "$system/final.mdl"
  fi
  decoded "$in/lang" "$system" "$system" "$in/gaussians/$rung/lm" "${beams[@]}"
}
network() { # system seed: trains and decodes a network
  local hmm=$exp/ali near=''
  trained "$1" "$2"
  [[ $1 != tri-net ]] || hmm=$exp/ali.tri
  decoded "$exp/lang" "$hmm" "$exp/$1-$2" "$exp/$1-$2/lm"
  [[ $1 != net ]] || decoded "$exp/lang.general" "$hmm" "$exp/$1-$2" "$exp/$1-$2/lm.general"
}

if [[ -z $show ]]; then
  ladder "$exp"
  [[ " $systems" != *-no-pitch* ]] || ladder "$exp/no-pitch" --set features.pitch=false
  for system in $systems; do
    case $system in
      tri | lda | first | sat | *-no-pitch) gaussians "$system" ;;
      *)
        general
        copies "$system"
        for seed in $seeds; do network "$system" "$seed"; done
        ;;
    esac
  done
fi
.venv/bin/python local/bench/common_voice.py "$exp" "$systems" "$seeds"
