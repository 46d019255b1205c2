# shellcheck shell=bash
# Sets up .venv in the checkout, once. If two processes do so at a time, the second waits. run.sh and local/test.sh
# source this file from the root of the checkout, after local/children.sh.
#   set_up          installs the dependencies of the recipe
#   set_up test     installs those of the tests too
# PYTHON names another python3. pip reads PIP_INDEX_URL and its other variables.

set_up() {
  local extra=${1:-} wanted python=${PYTHON:-python3} set_up_lock
  wanted=$(cat setup.cfg pyproject.toml local/setup.sh | cksum)
  ! is_set_up || return 0
  command -v "$python" >/dev/null || set_up_failed "there is no $python; install Python 3.11 or newer, or set PYTHON"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    set_up_failed "$("$python" --version) is too old; set PYTHON to a Python 3.11 or newer"
  { exec {set_up_lock}<>.venv.lock; } 2>/dev/null || set_up_failed "$PWD cannot be written"
  # the lock belongs to the descriptor: pip inherits it, and holds it if this script is killed before pip ends
  run_child "$python" -c "$WAIT_FOR_LOCK" "$set_up_lock" || set_up_failed "another process sets up .venv"
  ! is_set_up || return 0
  echo "setting up .venv (once, about a minute and 1.2 GB; torch's CUDA build takes more)"
  # Debian's python3 may come without ensurepip: then its pip, if there is one, fills the environment
  if [[ ! -x .venv/bin/python ]]; then
    "$python" -m venv .venv 2>/dev/null || "$python" -m venv --without-pip --clear .venv ||
      set_up_failed "$python cannot make a virtual environment"
  fi
  local pip=(.venv/bin/python -m pip)
  "${pip[@]}" --version >/dev/null 2>&1 || pip=("$python" -m pip --python .venv/bin/python)
  "${pip[@]}" --version >/dev/null 2>&1 ||
    set_up_failed "$python has neither ensurepip nor pip (Debian: apt install python3-venv)"
  run_child "${pip[@]}" install --quiet --disable-pip-version-check --no-input -e ".${extra:+[$extra]}" ||
    set_up_failed "pip could not install what setup.cfg lists"
  "${pip[@]}" check --disable-pip-version-check >/dev/null || set_up_failed "the installed packages do not fit together"
  echo "$wanted" >".venv/ready${extra:+-$extra}"
  exec {set_up_lock}>&-
}

is_set_up() { # reads the variables of set_up
  local mark marks=(.venv/ready-test) # the environment of the tests includes that of the recipe
  [[ -n $extra ]] || marks+=(.venv/ready)
  for mark in "${marks[@]}"; do
    [[ ! -f $mark || $(<"$mark") != "$wanted" ]] || return 0
  done
  return 1
}

WAIT_FOR_LOCK='
import fcntl, sys
try:
    fcntl.flock(int(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("waiting for another process that sets up .venv", flush=True)
    fcntl.flock(int(sys.argv[1]), fcntl.LOCK_EX)
except OSError:  # the file system has no locks
    pass
'

set_up_failed() {
  echo "set-up: $1" >&2
  exit 1
}
