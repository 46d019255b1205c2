#!/usr/bin/env bash
# Measures the error rate and speed of `asr transcribe` on real speech: packages a trained model, then transcribes the test
# set's files one by one, all of them joined to one long recording, and this recording from standard input at full speed.
# Compares them with `asr decode` on the same utterances, which knows their boundaries and speakers.
#   local/bench/transcribing.sh                       the AISHELL sample, own tools only; trains first if there is no model
#   local/bench/transcribing.sh --pause 0.5           with so many seconds of silence between the joined utterances
#   local/bench/transcribing.sh --pause 8 --silence room   kind of silence: zeros (the default), dither, constant, room
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
