"""What a run left behind, read for the report. Whatever is absent or damaged becomes a sentence, never an error.

EXP/<model>/decode_<set>/scores.json   what `score` found
EXP/<model>/decode_<set>/decode.json   lm_weight, penalty; of dev also `tuning`, one {lm_weight, penalty, cer} a trial
EXP/<model>/log/train.jsonl            what `train` logged, one event a line (training_events.py)
EXP/<model>/{config,settings}.json     network and settings
EXP/log/times.tsv                      `stage name seconds status` by tabs, one line for each time a stage ran
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.scoring.training_events import Training, number, read_training
from asr.tables import read_lines

FIRST_SETS = ("dev", "test")  # the order in which sets are shown; others follow by name
SKIPPED = ("skipped", "fresh", "up-to-date")
GOOD = ("0", "ok", "done")


@dataclass(frozen=True)
class StageTime:
    """The last time that a stage did work."""

    stage: str
    name: str
    seconds: float
    status: str

    @property
    def failed(self) -> bool:
        return self.status.lower() not in GOOD


@dataclass
class Tuning:
    """The trials on one set, dev as a rule: {(language-model weight, penalty): character error rate in percent}.

    They are those with the prior scale that was chosen.
    """

    name: str
    rates: dict[tuple[float, float], float]
    chosen: tuple[float, float] | None
    prior_scale: float | None = None


@dataclass
class Experiment:
    """All that the report shows; `faults` are sentences about files that could not be read."""

    run: str
    name: str
    scores: dict[str, dict[str, Any]]
    training: Training | None
    times: list[StageTime]
    decoded: dict[str, dict[str, Any]]
    tuning: Tuning | None
    settings: dict[str, dict[str, Any]]
    faults: list[str]


def sources(model: Path) -> list[Path]:
    """The files that exist of those above, but times.tsv, which changes with every run."""
    found = [model / "config.json", model / "settings.json", model / "log" / "train.jsonl"]
    for folder in _decode_folders(model).values():
        found += [folder / "scores.json", folder / "decode.json"]
    return [path for path in found if path.is_file()]


def read_experiment(exp: Path, model: Path) -> Experiment:
    """Read everything; only a model folder that does not exist is an InputError."""
    if not model.is_dir():
        raise InputError("no such model folder", file=model)
    faults: list[str] = []
    folders = _decode_folders(model)
    scores = {}
    for name, folder in folders.items():
        record = _json(folder / "scores.json", faults)
        if record is not None and {"cer", "wer", "confusions", "per_utterance", "speakers"} <= set(record):
            scores[name] = record
        elif record is not None:
            faults.append(f"{folder / 'scores.json'} is not what score writes.")
    decoded = {name: _json(folder / "decode.json", faults) for name, folder in folders.items()}
    tuned = [_tuning(name, record) for name, record in decoded.items()]
    settings = {name: _json(model / f"{name}.json", faults) for name in ("config", "settings")}
    return Experiment(
        run=exp.resolve().name,
        name=model.resolve().name,
        scores=scores,
        training=read_training(model / "log" / "train.jsonl", faults),
        times=_times(exp / "log" / "times.tsv", faults),
        decoded={name: record for name, record in decoded.items() if record},
        tuning=next((item for item in tuned if item is not None), None),
        settings={name: content for name, content in settings.items() if content},
        faults=faults,
    )


def _decode_folders(model: Path) -> dict[str, Path]:
    found = {path.name.removeprefix("decode_"): path for path in sorted(model.glob("decode_*")) if path.is_dir()}
    order = [name for name in FIRST_SETS if name in found]
    return {name: found[name] for name in [*order, *(name for name in found if name not in order)]}


def _json(path: Path, faults: list[str]) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        faults.append(f"{path} could not be read: {error}.")
        return None
    if not isinstance(content, dict):
        faults.append(f"{path} holds no JSON object.")
        return None
    return content


def _times(path: Path, faults: list[str]) -> list[StageTime]:
    if not path.is_file():
        return []
    last: dict[tuple[str, str], StageTime] = {}
    try:
        for _, line in read_lines(path):
            parts = line.split("\t")
            seconds = number(parts[2]) if len(parts) == 4 else None
            if seconds is None:
                continue  # the heading, or the line that a kill cut short
            key = (parts[0], parts[1])
            if parts[3].strip().lower() not in SKIPPED:
                last[key] = StageTime(parts[0], parts[1], seconds, parts[3].strip())
    except InputError as error:
        faults.append(f"{error}.")
    return sorted(last.values(), key=lambda item: (number(item.stage) is None, number(item.stage) or 0, item.name))


def _tuning(name: str, record: Mapping[str, Any] | None) -> Tuning | None:
    trials = record.get("tuning") if record else None
    if not isinstance(trials, list) or record is None:
        return None
    rates: dict[tuple[float, float], float] = {}
    scale = number(record.get("prior_scale"))
    for trial in trials:
        if isinstance(trial, dict) and number(trial.get("prior_scale")) != scale:
            continue  # the page shows the trials with the scale that was chosen
        values = (
            [number(trial.get(name)) for name in ("lm_weight", "penalty", "cer")] if isinstance(trial, dict) else []
        )
        if values and None not in values:
            rates[values[0], values[1]] = values[2]  # type: ignore[index, assignment]
    weight, penalty = number(record.get("lm_weight")), number(record.get("penalty"))
    chosen = (weight, penalty) if weight is not None and penalty is not None else None
    return Tuning(name, rates, chosen, scale) if rates else None
