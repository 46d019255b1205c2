"""The figures of a run, each computed once. An absent or damaged file becomes a sentence on the page, never an error.

    experiment = read_experiment(Path("exp/mini"), Path("exp/mini/asgd"))
    experiment.scores["test"].cer.counts.rate

EXP/<model>/decode_<set>/scores.json   what `score` found
EXP/<model>/decode_<set>/explained.json  what `explain` found
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
from asr.report.data_sets import ordered
from asr.report.decoding import DecodingSpeed, Tuning, speed_of, tuning_of
from asr.report.origin import Origin, read_origin
from asr.report.recorded import flat, number, read_json
from asr.report.scores import ScoredSet
from asr.report.training import Training
from asr.report.training_events import read_training_events
from asr.report.where import Where
from asr.scoring import scores_file
from asr.tables import read_lines

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
        """Return whether the stage ended with an error."""
        return self.status.lower() not in GOOD


@dataclass(frozen=True)
class Experiment:
    """All figures of the report. run: name of the folder of the run; model: the model's folder below it.

    settings: the contents of config.json and settings.json; faults: sentences about files that could not be read.
    """

    run: str
    model: str
    scores: dict[str, ScoredSet]
    where: Where
    training: Training | None
    stages: list[StageTime]
    tuning: Tuning | None
    speeds: list[DecodingSpeed]
    settings: dict[str, dict[str, Any]]
    origin: Origin
    faults: list[str]

    @property
    def shown(self) -> ScoredSet | None:
        """Return the set whose errors are shown: test, or the last one that was scored."""
        return self.scores.get("test", next(reversed(self.scores.values()), None))

    @property
    def seconds(self) -> float:
        """Return the time of all stages together."""
        return sum(item.seconds for item in self.stages)

    @property
    def trained_on(self) -> list[str]:
        """Return the data and the alignments that the model was trained on, as its settings name them."""
        settings = self.settings.get("settings", {})
        named = (("data", settings.get("train_data")), ("alignments", settings.get("ali")))
        return [f"{what} {name}" for what, name in named if isinstance(name, str)]

    def records(self) -> dict[str, list[tuple[str, str]]]:
        """Return {file: (dotted name, text) of each value} of the settings and of what other stages recorded."""
        return {name: list(flat(content)) for name, content in {**self.settings, **self.origin.records}.items()}


def sources(exp: Path, model: Path) -> list[Path]:
    """Return the files that exist of those above, but times.tsv, which changes with every run."""
    found = [model / "config.json", model / "settings.json", model / "log" / "train.jsonl"]
    for folder in _decode_folders(model).values():
        found += [folder / name for name in ("scores.json", "explained.json", "decode.json")]
    settings = read_json(model / "settings.json", []) or {}
    return [path for path in found if path.is_file()] + origin.sources(exp, settings)


def read_experiment(exp: Path, model: Path) -> Experiment:
    """Read the files above. Raises InputError if there is no model folder."""
    if not model.is_dir():
        raise InputError("no such model folder", file=model)
    faults: list[str] = []
    folders = _decode_folders(model)
    scores = _scores(folders, faults)
    decoded, explained = (
        {name: read_json(folder / file, faults) or {} for name, folder in folders.items()}
        for file in ("decode.json", "explained.json")
    )
    settings = {name: read_json(model / f"{name}.json", faults) or {} for name in ("config", "settings")}
    events = read_training_events(model / "log" / "train.jsonl", faults)
    start = events.start if events else {}
    came_from = read_origin(exp, model, settings["settings"], scores, decoded, start, faults)
    return Experiment(
        run=exp.resolve().name,
        model=_name(exp, model),
        scores=scores,
        where=Where.of(scores, explained),
        training=Training.of(events) if events else None,
        stages=_stages(exp / "log" / "times.tsv", faults),
        tuning=next((found for item in decoded.items() if (found := tuning_of(*item))), None),
        speeds=[speed for item in decoded.items() if (speed := speed_of(*item))],
        settings={name: content for name, content in settings.items() if content},
        origin=came_from,
        faults=faults,
    )


def _name(exp: Path, model: Path) -> str:
    """Return the model's folder below the run's, as `asgd` or, after --rounds, `asgd.rounds/net1`."""
    whole = model.resolve()
    return str(whole.relative_to(exp.resolve())) if exp.resolve() in whole.parents else whole.name


def _decode_folders(model: Path) -> dict[str, Path]:
    found = {path.name.removeprefix("decode_"): path for path in model.glob("decode_*") if path.is_dir()}
    return {name: found[name] for name in ordered(found)}


def _scores(folders: Mapping[str, Path], faults: list[str]) -> dict[str, ScoredSet]:
    scores = {}
    for name, folder in folders.items():
        record = read_json(folder / "scores.json", faults)
        if record is None:
            continue
        if (what := scores_file.problem(record)) is None:
            scores[name] = ScoredSet.of(name, record)
        else:
            faults.append(f"{folder / 'scores.json'} is not what score writes: {what}.")
    return scores


def _stages(path: Path, faults: list[str]) -> list[StageTime]:
    if not path.is_file():
        return []
    last: dict[tuple[str, str], StageTime] = {}
    try:
        for _, line in read_lines(path):
            parts = line.split("\t")
            seconds = number(parts[2]) if len(parts) == 4 else None
            if seconds is None:
                continue  # the heading, or the line that a kill cut short
            if parts[3].strip().lower() not in SKIPPED:
                last[parts[0], parts[1]] = StageTime(parts[0], parts[1], seconds, parts[3].strip())
    except InputError as error:
        faults.append(f"{error}.")
    return sorted(last.values(), key=lambda item: (number(item.stage) is None, number(item.stage) or 0, item.name))
