#!/usr/bin/env bash
# Clones the repository to another place, sets it up and runs the whole recipe. Prints seconds and memory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git clone --quiet . "$place/yibian"
begun=$SECONDS
python3 local/bench/peak.py "$place/yibian/run.sh" "$@"
echo "$((SECONDS - begun)) s in total, set-up included" >&2
