"""What a prepare script has made, in figures: OUT/prepared.json, for the report; and a warning of sets too small.

{"sets": {"train": {"utterances": 28, "speakers": 4, "hours": 0.01, "characters": 171,
                    "left_out": {"no transcript": 2}, "left_out_first": {"no transcript": ["r030", "r031"]}}}}
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.console import say, warn
from asr.corpus.datadir import DataDir
from asr.corpus.left_out import read_left_out
from asr.corpus.problems import FIRST
from asr.corpus.transcript import characters
from asr.files import atomic

NAME = "prepared.json"
#: with fewer, one character more or less wrong is half a per cent
FEWEST_UTTERANCES, FEWEST_CHARACTERS = 20, 200


def record(sets: Mapping[str, DataDir], seconds: Mapping[str, float | None], settings: Any) -> Path:
    """Write OUT/prepared.json and return its path; say which sets are small. Each OUT/<set> has been written.

    `seconds`: of sound in each set, None where it is not known. `settings`: of the script.
    """
    figures = {
        name: figures_of(data, seconds.get(name), read_left_out(settings.out / name)) for name, data in sets.items()
    }
    with atomic(settings.out / NAME) as handle:
        json.dump({"sets": figures}, handle, ensure_ascii=False, indent=1)
        handle.write("\n")
    _say_small_sets(sets, frozenset(field.name for field in dataclasses.fields(settings)))
    return settings.out / NAME


def figures_of(data: DataDir, seconds: float | None, left_out: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the figures of one set."""
    return {
        "utterances": len(data.utt2spk),
        "speakers": len(data.spk2utt),
        "hours": None if seconds is None else round(seconds / 3600, 4),
        "characters": sum(len(characters(text)) for text in data.text.values()),
        "left_out": {kind: len(names) for kind, names in left_out.items()},
        "left_out_first": {kind: names[:FIRST] for kind, names in left_out.items()},
    }


def _say_small_sets(sets: Mapping[str, DataDir], options: frozenset[str]) -> None:
    """Warn of a dev or test set that says little, and what to do; say where its speakers are all in train.

    `options`: the names of the settings that the recipe has.
    """
    for name, use in (("dev", "the language-model weight is chosen"), ("test", "the error rate is measured")):
        data = sets[name]
        units = sum(len(characters(text)) for text in data.text.values())
        if len(data.utt2spk) < FEWEST_UTTERANCES or units < FEWEST_CHARACTERS:
            few = f"{name} has {len(data.utt2spk)} utterances and {units} characters, and {use} on it"
            wanted = f"{FEWEST_UTTERANCES} and {FEWEST_CHARACTERS}"
            warn(f"{few}: give it at least {wanted}{_remedy(name, sets, options)}")
        if data.spk2utt.keys() <= sets["train"].spk2utt.keys():
            say(f"{name}: all {len(data.spk2utt)} of its speakers are in train too; new voices will have more errors")


def _remedy(name: str, sets: Mapping[str, DataDir], options: frozenset[str]) -> str:
    """What makes a set larger, as the end of a sentence."""
    ways = []
    if f"{name}_dir" in options:
        ways.append(f"--{name}-dir names another set")
    if f"{name}_fraction" in options:
        total = sum(len(data.utt2spk) for data in sets.values())
        share = min(0.3, max(0.1, round(2 * FEWEST_UTTERANCES / max(total, 1), 2)))
        ways.append(f"--set prepare.{name}-fraction={share:g} cuts more from train")
    return f" ({'; '.join(ways)})" if ways else ""
