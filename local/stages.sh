# shellcheck shell=bash disable=SC2154
# Runs the stages of run.sh: numbered, timed, each with its log in $exp/log; one run at a time in $exp.
# log/command.txt holds the command line of each run.

STAGES=(- prepare features lang align train graph decode score report)

needs() { # stage: prints what it reads of earlier stages, lines `STAGE FILE`, FILE in $exp
  local set
  case $1 in
    2) for set in train dev test; do echo "1 data/$set/wav.scp"; done ;;
    3) printf '1 data/%s/text\n' train dev ;;
    4) printf '2 data/%s/feats.scp\n' "$train" dev && echo "3 lang/phones.txt" ;;
    5) printf '2 data/%s/feats.scp\n' "$train" dev && echo "4 $ali/ali_train_pdf.counts" ;;
    6) printf '3 lang/%s\n' words.txt G.fst && echo "4 ali/final.mdl" ;;
    7)
      printf '2 data/%s/feats.scp\n' dev test
      printf '%s\n' "5 $model/final.safetensors" "6 $model/graph/HCLG.fst"
      ;;
    8)
      for set in dev test; do
        printf '%s\n' "1 data/$set/text" "2 data/$set/feats.scp" "7 $model/decode_$set/hyp.txt"
      done
      printf '%s\n' "3 lang/words.txt" "5 $model/final.safetensors" "6 $model/graph/HCLG.fst"
      ;;
    9) echo "5 $model" ;;
  esac
}

missing_for() { # stage: prints the earliest stage that must run first and the file that is missing; or nothing
  local made file earlier
  while read -r made file; do
    [[ ! -e $exp/$file ]] || continue
    earlier=$(missing_for "$made")
    echo "${earlier:-$made $file}"
    return
  done < <(needs "$1")
}

check_first_stage() { # exits if an earlier stage has not run
  local first file
  read -r first file <<<"$(missing_for "$stage")"
  [[ -z $first ]] ||
    wrong "stage $stage (${STAGES[stage]}) cannot start: $exp/$file is missing; run stage $first (${STAGES[first]}) first"
}

lock_exp() { # makes $exp and locks it until this script ends
  local reason status=3
  reason=$(mkdir -p -- "$exp/log" 2>&1) || wrong "--exp $exp: cannot be made: ${reason##*: }"
  while ((status == 3)); do # 3: another process has just released the lock and removed its file
    reason=$({ : >>"$exp/.lock"; } 2>&1) || wrong "--exp $exp: cannot be written: ${reason##*: }"
    exec {lock}<>"$exp/.lock"
    status=0
    run_child .venv/bin/python -m asr.locks "$lock" "$exp/.lock" $$ "run.sh --recipe $recipe" || status=$?
    ((status == 0)) || exec {lock}>&-
  done
  ((status == 0)) || exit "$status"
  trap 'rm -f -- "$exp/.lock"' EXIT
}

asr() { # verb options...: runs a verb with the options that every verb gets
  local verb=$1 config=()
  shift
  if [[ -n ${checking:-} ]]; then
    note_call "$verb" "$@"
    return
  fi
  calls=$((calls + 1))
  [[ ! -f recipes/$recipe/recipe.cfg ]] || config=(--config "recipes/$recipe/recipe.cfg")
  run_child .venv/bin/python -m asr "$verb" "${config[@]}" "${settings[@]}" "$@" ${force:+--force} --log "$log"
}

record_command() { # prints time, tab, and the command line, quoted for a shell
  local words
  printf -v words '%q ' "${command_line[@]}"
  printf '%(%Y-%m-%dT%H:%M:%S%z)T\t%s\n' -1 "${words% }"
}

check_settings() { # exits if --set or recipe.cfg assigns what no verb of this run reads
  local checking=yes runs=() fixed=() stage config=()
  for stage in prepare features lang align train graph decode score report; do
    "$stage" # calls only asr, which notes the call
  done
  # the options that messages may advise: asr/command/hints.py
  YIBIAN_RUN_OPTIONS=$(usage | grep -oE -- '--[a-z][a-z-]*' | sort -u | tr '\n' ' ')
  export YIBIAN_RUN_OPTIONS
  [[ ! -f recipes/$recipe/recipe.cfg ]] || config=(--config "recipes/$recipe/recipe.cfg")
  run_child .venv/bin/python -m asr settings --script "recipes/$recipe/prepare.py" "${config[@]}" "${settings[@]}" \
    --runs "$(IFS=, && echo "${runs[*]}")" --fixed "$(IFS=, && echo "${fixed[*]}")" || exit
}

note_call() { # verb options...: notes the verb and the options that run.sh sets
  local option
  runs+=("$1")
  for option in "${@:2}"; do
    [[ $option != --* ]] || fixed+=("$1.${option#--}")
  done
}

run_stage() { # number name: calls the function `name`; a failure ends the run with the same status
  local number=$1 name=$2 begun ended said='' status=0 before times=$exp/log/times.tsv
  calls=0
  ((number >= stage && number <= stop_stage)) || return 0
  ((number > stage)) || record_command >>"$exp/log/command.txt"
  log=$exp/log/$number-$name.log
  printf '== %(%F %T)T stage %s: %s\n' -1 "$number" "$name" >>"$log"
  before=$(wc -l <"$log")
  echo "== stage $number: $name"
  begun=$EPOCHREALTIME
  "$name" || status=$?
  ended=$EPOCHREALTIME
  if ((status == 0 && calls == $(tail -n "+$((before + 1))" "$log" | grep -c ': up to date$' || true))); then
    said=skipped # all verbs were up to date: the time is not that of the stage
  fi
  [[ ! -s $times || -z $(tail -c 1 "$times") ]] || echo >>"$times" # a killed run may have left half a line
  # EPOCHREALTIME has six decimals after a point, in some locales after a comma
  printf '%s\t%s\t%d.%03d\t%s\n' "$number" "$name" $(((${ended/[.,]/} - ${begun/[.,]/}) / 1000000)) \
    $(((${ended/[.,]/} - ${begun/[.,]/}) / 1000 % 1000)) "${said:-$status}" >>"$times"
  if ((status == 130)); then # the verb alone got the signal
    echo "run.sh: stage $number ($name) was interrupted; the same command goes on from here" >&2
    exit 130
  fi
  if ((status)); then
    echo "run.sh: stage $number ($name) failed with status $status; its log: $log" >&2
    exit "$status"
  fi
}

print_results() { # prints the error rates of dev and test at the end
  local set
  ((stop_stage >= 8)) || return 0
  [[ ! -f $exp/$model/report.html ]] || echo "report: $exp/$model/report.html"
  for set in dev test; do
    sed -sn "1s/^/$set /p" "$exp/$model/decode_$set/cer" "$exp/$model/decode_$set/wer"
  done
}
