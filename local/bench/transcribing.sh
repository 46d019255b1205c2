#!/usr/bin/env bash
# What `asr transcribe` hears on real speech, and how fast: a trained model packaged, then the test set's files one by one, one
# after the other as one long recording, and that recording from standard input as fast as it is taken. Beside them what
# `asr decode` makes of the same utterances, which knows where they begin and who speaks.
#   local/bench/transcribing.sh                       the AISHELL sample, all our own tools; trains where that has not been done
#   local/bench/transcribing.sh --pause 0.5           with so many seconds of silence between the utterances of the long recording
#   local/bench/transcribing.sh --pause 8 --silence room   what the silence is: zeros (the default), dither, constant, room
#   local/bench/transcribing.sh --exp exp/mini --model asgd --latin word
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=local/setup.sh
. local/setup.sh
set_up
exp='' model=asgd latin=letter pause=0 silence=zeros
while (($#)); do
  case $1 in
    --exp) exp=$2; shift 2 ;;
    --model) model=$2; shift 2 ;;
    --latin) latin=$2; shift 2 ;;
    --pause) pause=$2; shift 2 ;;
    --silence) silence=$2; shift 2 ;;
    *) echo "no option $1; see the head of local/bench/transcribing.sh" >&2; exit 2 ;;
  esac
done
# shellcheck source=local/bench/sample.sh
. local/bench/sample.sh
[[ -n $exp ]] || train_sample 7
exec .venv/bin/python local/bench/transcribing.py "$exp" "$model" "$latin" "$pause" "$silence"
