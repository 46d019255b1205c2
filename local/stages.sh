# shellcheck shell=bash disable=SC2154
# Runs the stages of run.sh: numbered, timed, each with a log of its own in $exp/log; log/command.txt has a line a run.

asr() { # verb options...: run a verb with what every verb is given
  local verb=$1 config=()
  shift
  calls=$((calls + 1))
  [[ ! -f recipes/$recipe/recipe.cfg ]] || config=(--config "recipes/$recipe/recipe.cfg")
  .venv/bin/python -m asr "$verb" "${config[@]}" "${settings[@]}" "$@" --log "$log"
}

record_command() { # time, tab, and the command line as it can be typed again
  local words
  printf -v words '%q ' "${command_line[@]}"
  printf '%(%Y-%m-%dT%H:%M:%S%z)T\t%s\n' -1 "${words% }"
}

run_stage() { # number name: calls the function `name`; a failure ends the run with its status
  local number=$1 name=$2 begun ended said='' status=0
  calls=0
  ((number >= stage && number <= stop_stage)) || return 0
  mkdir -p "$exp/log"
  ((number > stage)) || record_command >>"$exp/log/command.txt"
  log=$exp/log/$number-$name.log
  : >"$log"
  echo "== stage $number: $name"
  begun=$EPOCHREALTIME
  "$name" || status=$?
  ended=$EPOCHREALTIME
  if ((status == 0 && calls == $(grep -c ': up to date$' "$log" || true))); then
    said=skipped # a stage whose every verb was up to date says nothing about how long it takes
  fi
  # EPOCHREALTIME has six decimals after a point or, in some locales, a comma
  printf '%s\t%s\t%d.%03d\t%s\n' "$number" "$name" $(((${ended/[.,]/} - ${begun/[.,]/}) / 1000000)) \
    $(((${ended/[.,]/} - ${begun/[.,]/}) / 1000 % 1000)) "${said:-$status}" >>"$exp/log/times.tsv"
  if ((status)); then
    echo "run.sh: stage $number ($name) failed with status $status; its log: $log" >&2
    exit "$status"
  fi
}

print_results() { # the error rates of dev and test, last of all
  local set
  ((stop_stage >= 8)) || return 0
  [[ ! -f $exp/$model/report.html ]] || echo "report: $exp/$model/report.html"
  for set in dev test; do
    sed -sn "1s/^/$set /p" "$exp/$model/decode_$set/cer" "$exp/$model/decode_$set/wer"
  done
}
