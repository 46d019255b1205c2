"""What a run left behind, read for the report. Whatever is absent or damaged becomes a sentence, never an error.

EXP/<model>/decode_<set>/scores.json   what `score` found
EXP/<model>/decode_<set>/decode.json   lm_weight, penalty; of dev also `tuning`, one {lm_weight, penalty, cer} a trial
EXP/<model>/log/train.jsonl            what `train` logged, one event a line (training_events.py)
EXP/<model>/{config,settings}.json     network and settings
EXP/log/times.tsv                      `stage name seconds status` by tabs, one line for each time a stage ran
and what origin.py reads
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import InputError
from asr.report import origin
from asr.report.origin import Origin, read_origin
from asr.report.recorded import read_json
from asr.scoring import scores_file
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

    They are those with the prior scale that was chosen. utterances, characters: of the part of the set that they were
    counted on, None where decode.json does not tell; own_graph: the set was decoded over the graph of --tune-graph.
    """

    name: str
    rates: dict[tuple[float, float], float]
    chosen: tuple[float, float] | None
    prior_scale: float | None = None
    utterances: int | None = None
    characters: int | None = None
    own_graph: bool = False


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
    origin: Origin
    faults: list[str]


def sources(exp: Path, model: Path) -> list[Path]:
    """Return the files that exist of those above, but times.tsv, which changes with every run."""
    found = [model / "config.json", model / "settings.json", model / "log" / "train.jsonl"]
    for folder in _decode_folders(model).values():
        found += [folder / "scores.json", folder / "decode.json"]
    settings = read_json(model / "settings.json", []) or {}
    return [path for path in found if path.is_file()] + origin.sources(exp, settings)


def read_experiment(exp: Path, model: Path) -> Experiment:
    """Read everything; only a model folder that does not exist is an InputError."""
    if not model.is_dir():
        raise InputError("no such model folder", file=model)
    faults: list[str] = []
    folders = _decode_folders(model)
    scores = {}
    for name, folder in folders.items():
        record = read_json(folder / "scores.json", faults)
        if record is None:
            continue
        if (what := scores_file.problem(record)) is None:
            scores[name] = record
        else:
            faults.append(f"{folder / 'scores.json'} is not what score writes: {what}.")
    decoded = {name: read_json(folder / "decode.json", faults) for name, folder in folders.items()}
    tuned = [_tuning(name, record) for name, record in decoded.items()]
    settings = {name: read_json(model / f"{name}.json", faults) or {} for name in ("config", "settings")}
    came_from = read_origin(exp, model, scores, settings["settings"], faults)
    return Experiment(
        run=exp.resolve().name,
        name=_name(exp, model),
        scores=scores,
        training=read_training(model / "log" / "train.jsonl", faults),
        times=_times(exp / "log" / "times.tsv", faults),
        decoded={name: record for name, record in decoded.items() if record},
        tuning=next((item for item in tuned if item is not None), None),
        settings={name: content for name, content in settings.items() if content},
        origin=came_from,
        faults=faults,
    )


def _name(exp: Path, model: Path) -> str:
    """Return the model's folder below the run's, as `asgd` or, after --rounds, `asgd.rounds/net1`."""
    whole = model.resolve()
    return str(whole.relative_to(exp.resolve())) if exp.resolve() in whole.parents else whole.name


def _decode_folders(model: Path) -> dict[str, Path]:
    found = {path.name.removeprefix("decode_"): path for path in sorted(model.glob("decode_*")) if path.is_dir()}
    order = [name for name in FIRST_SETS if name in found]
    return {name: found[name] for name in [*order, *(name for name in found if name not in order)]}


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
    if not rates:
        return None
    weight, penalty = number(record.get("lm_weight")), number(record.get("penalty"))
    chosen = (weight, penalty) if weight is not None and penalty is not None else None
    utterances, characters = (number(record.get(f"tuning_{what}")) for what in ("utterances", "units"))
    return Tuning(
        name,
        rates,
        chosen,
        scale,
        None if utterances is None else round(utterances),
        None if characters is None else round(characters),
        record.get("tuning_graph_only") is True,
    )
