#!/usr/bin/env bash
# What a newcomer meets: a fresh clone in another place, set-up included, and the whole recipe. Seconds and memory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git clone --quiet . "$place/yibian"
begun=$SECONDS
python3 local/bench/peak.py "$place/yibian/run.sh" "$@"
echo "$((SECONDS - begun)) s in all, set-up included" >&2
