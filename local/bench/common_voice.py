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

RUNGS, FIRST, NO_PITCH = ("mono", "tri", "lda", "sat"), "first", "-no-pitch"
GAUSSIANS = tuple(rung + kind for kind in ("", NO_PITCH) for rung in (*RUNGS, FIRST))
#: Kaldi 5.5: dev and test %CER, CPU seconds with the last alignment, CPU seconds a second of decoded speech.
#: From ../shared/data/kaldi_common_voice/README.md, which says how they were made
KALDI = {
    "tri-no-pitch": ("51.95", "49.35", "432", "0.170"),
    "lda-no-pitch": ("", "", "512", ""),
    "first-no-pitch": ("49.08", "46.56", "", ""),  # decode_fmllr's first pass: by final.alimdl
    "sat-no-pitch": ("45.21", "41.93", "590", "0.610"),
    "sat": ("40.86", "38.39", "", ""),
}
KALDI_LADDER = {"mono": 416.0, "tri": 432.0, "lda": 512.0, "sat": 590.0}
LANGUAGE_MODELS = {"lm": "transcripts alone", "lm.general": "word frequencies too"}
HEADS = ("system", "language model", "runs", "dev %CER", "test %CER", "95 %, by speaker", "held-out", "CPU s", "RTF")
LAYOUT = "{:<20} {:<20} {:>4} {:>8} {:>9}  {:<16} {:>8} {:>6} {:>6}"


def scored_runs(exp: Path, system: str, seeds: list[str], lm: str) -> list[Path]:
    """Return the folders of a system's runs that have been scored on test."""
    if system in GAUSSIANS:
        runs = [ladder_of(exp, system) / "gaussians" / system.removesuffix(NO_PITCH)]
    else:
        runs = [exp / f"{system}-{seed}" for seed in seeds]
    return [run for run in runs if (run / lm / "decode_test/scores.json").is_file()]


def ladder_of(exp: Path, system: str) -> Path:
    """Return the experiment that a system of Gaussians belongs to: with pitch, or without."""
    return exp / "no-pitch" if system.endswith(NO_PITCH) else exp


def ladder_costs(exp: Path) -> dict[str, float]:
    """Return {part: CPU seconds} of an experiment's ladder, {} if it was made before they were recorded."""
    path = exp / "ali/log/ladder.json"
    return {part["part"]: part["cpu_s"] for part in read_json(path)["parts"]} if path.is_file() else {}


def training(run: Path) -> dict[str, Any]:
    """Return the figures of a network's training, or of a rung's; {} if there are none."""
    if run.parent.name == "gaussians":
        costs = ladder_costs(run.parent.parent)
        return {"cpu_s": costs[run.name]} if run.name in costs else {}
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
    """Return the mean of a figure of training over runs, as text; nothing if a run lacks it."""
    return layout.format(mean(item[name] for item in done)) if all(name in item for item in done) else ""


def print_ladders(exp: Path) -> None:
    """Print the CPU seconds of the parts of the ladders that are there, below Kaldi's."""
    ladders = {"ours": ladder_costs(exp), "ours, no pitch": ladder_costs(exp / "no-pitch")}
    if not any(ladders.values()):
        return
    parts = ("cepstra", *RUNGS, "others")
    layout = "{:<22}" + " {:>7}" * (len(parts) + 1)
    print(layout.format("CPU s of the ladder", *parts, "all"))
    for name, costs in ({"Kaldi, no pitch": KALDI_LADDER} | ladders).items():
        if costs:
            figures = [f"{costs[part]:.0f}" if part in costs else "" for part in parts]
            print(layout.format(name, *figures, f"{sum(costs.values()):.0f}"))


def main(exp: Path, systems: list[str], seeds: list[str]) -> None:
    """Print the table, and the differences from the first network."""
    print(LAYOUT.format(*HEADS))
    errors: dict[tuple[str, str], SpeakerErrors] = {}
    for system in systems:
        for lm in LANGUAGE_MODELS:
            if runs := scored_runs(exp, system, seeds, lm):
                line, errors[system, lm] = row(system, lm, runs)
                print(line)
        if system in KALDI:
            dev, test, cpu_s, real_time = KALDI[system]
            print(LAYOUT.format(f"Kaldi's {system}", LANGUAGE_MODELS["lm"], 1, dev, test, "", "", cpu_s, real_time))
    print_ladders(exp)
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
