"""Prints the rows of local/bench/common_voice.sh: systems that are decoded and scored in an experiment.

python local/bench/common_voice.py EXP "SYSTEM SYSTEM" "SEED SEED"
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

from asr.files import read_json
from asr.scoring.bootstrap import SpeakerErrors, difference_interval, rate_interval

GAUSSIANS = ("tri", "lda", "sat")
LANGUAGE_MODELS = {"lm": "transcripts alone", "lm.general": "word frequencies too"}
HEADS = ("system", "language model", "runs", "dev %CER", "test %CER", "95 %, by speaker", "held-out", "CPU s", "RTF")
LAYOUT = "{:<10} {:<20} {:>4} {:>8} {:>9}  {:<16} {:>8} {:>6} {:>6}"


def scored_runs(exp: Path, system: str, seeds: list[str], lm: str) -> list[Path]:
    """Return the folders of a system's runs that have been scored on test."""
    runs = [exp / "gaussians" / system] if system in GAUSSIANS else [exp / f"{system}-{seed}" for seed in seeds]
    return [run for run in runs if (run / lm / "decode_test/scores.json").is_file()]


def training(run: Path) -> dict[str, Any]:
    """Return the figures of a network's training, {} of Gaussians."""
    log = run / "log/train.jsonl"
    return json.loads(log.read_text("utf-8").splitlines()[-1]) if log.is_file() else {}


def row(system: str, lm: str, runs: list[Path]) -> tuple[str, SpeakerErrors]:
    """Return a line of the table, and the errors on test by speaker; means over runs."""
    errors = SpeakerErrors.mean([SpeakerErrors.of(read_json(run / lm / "decode_test/scores.json")) for run in runs])
    dev = mean(read_json(run / lm / "decode_dev/scores.json")["cer"]["rate"] for run in runs)
    real_time = mean(read_json(run / lm / "decode_test/decode.json")["rtf_cpu"] for run in runs)
    low, high = rate_interval(errors, seed=1)
    figures = [f"{dev:.2f}", f"{errors.rate:.2f}", f"{low:.2f} to {high:.2f}"]
    done = [training(run) for run in runs]
    figures += [_mean("{:.3f}", done, "ce"), _mean("{:.0f}", done, "cpu_s")]
    return LAYOUT.format(system, LANGUAGE_MODELS[lm], len(runs), *figures, f"{real_time:.3f}"), errors


def _mean(layout: str, done: list[dict[str, Any]], name: str) -> str:
    """Return the mean of a figure of training over runs, as text; nothing for Gaussians."""
    return layout.format(mean(item[name] for item in done)) if all(done) else ""


def main(exp: Path, systems: list[str], seeds: list[str]) -> None:
    """Print the table, and the differences from the first network."""
    print(LAYOUT.format(*HEADS))
    errors: dict[tuple[str, str], SpeakerErrors] = {}
    for system in systems:
        for lm in LANGUAGE_MODELS:
            if runs := scored_runs(exp, system, seeds, lm):
                line, errors[system, lm] = row(system, lm, runs)
                print(line)
    networks = [name for name in systems if name not in GAUSSIANS]
    for lm, words in LANGUAGE_MODELS.items():
        for system in networks[1:]:
            if (networks[0], lm) in errors and (system, lm) in errors:
                first, second = errors[networks[0], lm], errors[system, lm]
                low, high = difference_interval(first, second, seed=1)
                change = f"{second.rate - first.rate:+.2f} ({low:+.2f} to {high:+.2f})"
                print(f"{system} - {networks[0]}, {words}, test: {change}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3].split())
