# shellcheck shell=bash
# Starts the programs that a script waits for, so that a signal ends them with it: bash by itself hears a signal only
# after its program has ended.

run_child() { # command...: runs it; returns its status
  # a verb that knows its parent ends with it, also when that is killed (asr/signals.py)
  YIBIAN_RUN=$$ "$@" &
  wait "$!"
}

end_by_signals() { # from here on SIGHUP, SIGINT and SIGTERM end the script and its children
  trap 'end_by HUP 129' HUP
  trap 'end_by INT 130' INT
  trap 'end_by TERM 143' TERM
}

end_by() { # signal status: ends the children, in order or within two seconds, and the script
  local running status=0
  trap '' HUP INT TERM
  running=$(jobs -p)
  if [[ -n $running ]]; then
    kill -TERM "$running" 2>/dev/null || true
    for _ in {1..14}; do
      kill -0 "$running" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || status=$?
  fi
  # what ended in order has said so itself
  ((status != 0 && status != 137)) || echo "run.sh: ended by SIG$1; the same command goes on from here" >&2
  exit "$2"
}
