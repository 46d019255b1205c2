# shellcheck shell=bash
# Starts the programs that a script waits for, so that a signal ends them with the script: bash alone handles a signal
# only after its program has ended.

child='' # process id of the running program

run_child() { # command...: runs a command and returns its status
  local status=0
  # a verb that knows its parent ends with it, even after a kill, and lets it print the last line (asr/parallel/signals.py)
  YIBIAN_RUN=$$ "$@" &
  child=$!
  wait "$child" || status=$?
  child=''
  return "$status"
}

end_by_signals() { # makes SIGHUP, SIGINT and SIGTERM end the script and its child
  trap 'end_by HUP 129' HUP
  trap 'end_by INT 130' INT
  trap 'end_by TERM 143' TERM
}

end_by() { # signal status: ends the child within two seconds, then the script
  trap '' HUP INT TERM
  if [[ -n $child ]]; then
    kill -TERM "$child" 2>/dev/null || true
    for _ in {1..16}; do
      kill -0 "$child" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$child" 2>/dev/null || true
    # the status is useless: if the trap has interrupted another wait, bash 5.2 may return -1
    wait "$child" 2>/dev/null || true
  fi
  echo "run.sh: ended by SIG$1; the same command goes on from here" >&2
  exit "$2"
}
