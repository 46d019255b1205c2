# shellcheck shell=bash
# Sets up .venv in the checkout, once. Sourced by run.sh and local/test.sh, from the project's root.
#   set_up          what the recipe needs
#   set_up test     and what the tests need
# PYTHON names another python3; PIP_INDEX_URL and the like work as pip has them.

set_up() {
  local extra=${1:-} wanted mark python=${PYTHON:-python3}
  wanted=$(cat setup.cfg pyproject.toml local/setup.sh | cksum)
  local marks=(.venv/ready-test) # the tests' environment has all that the recipe needs
  [[ -n $extra ]] || marks+=(.venv/ready)
  for mark in "${marks[@]}"; do
    if [[ -f $mark && $(<"$mark") == "$wanted" ]]; then
      return 0
    fi
  done
  command -v "$python" >/dev/null || set_up_failed "there is no $python; install Python 3.11 or newer, or set PYTHON"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    set_up_failed "$("$python" --version) is too old; set PYTHON to a Python 3.11 or newer"
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
  "${pip[@]}" install --quiet --disable-pip-version-check --no-input -e ".${extra:+[$extra]}" ||
    set_up_failed "pip could not install what setup.cfg lists"
  "${pip[@]}" check --disable-pip-version-check >/dev/null || set_up_failed "the installed packages do not fit together"
  echo "$wanted" >".venv/ready${extra:+-$extra}"
}

set_up_failed() {
  echo "set-up: $1" >&2
  exit 1
}
