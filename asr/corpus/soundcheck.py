"""Check that the sounds of a data directory can be read, have the wanted rate and one channel.

    problems = check_sounds(Path("data/train"), data, SoundChecks(rate_hz=8000, nj=4))

Reads the sounds that wav.scp names. Writes nothing.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from asr.console import progress
from asr.corpus.datadir import DataDir, Utterance
from asr.corpus.problems import Problem
from asr.parallel.processes import processes_for
from asr.sound import audio
from asr.sound.source import Source


@dataclasses.dataclass(frozen=True)
class SoundChecks:
    """What is checked, and how. rate_hz None: any rate. deep: decode every sound to its end. nj: threads."""

    rate_hz: int | None = 16000
    resample: bool = False
    allow_pipes: bool = False
    deep: bool = False
    nj: int = 0

    @classmethod
    def of(cls, settings: Any) -> SoundChecks:
        """Return the checks that the settings of a verb or a recipe state; what they lack has its default."""
        names = [field.name for field in dataclasses.fields(cls) if hasattr(settings, field.name)]
        return cls(**{name: getattr(settings, name) for name in names})


def check_sounds(
    path: Path, data: DataDir, checks: SoundChecks, durations: dict[str, float] | None = None
) -> list[Problem]:
    """Open every sound of `data` (its header and last sample, or with `deep` all of it) and return the problems.

    path: named in the progress. durations: receives the seconds of every utterance whose sound is opened. The
    problems are in C order. Threads do the work: libsndfile decodes beside Python.
    """
    groups: dict[object, list[Utterance]] = {}
    for utterance in data.utterances():  # a recording is opened once, whatever the number of its segments
        group = utterance.key if checks.deep else (utterance.recording, utterance.channel)
        groups.setdefault(group, []).append(utterance)

    def examine(group: list[Utterance]) -> list[Problem]:
        found, duration_s = [], None
        for utterance in group:
            try:
                if duration_s is None:
                    duration_s = _duration(utterance, checks)
                seconds = _check_reach(utterance, duration_s, checks.rate_hz or 16000)
                if checks.deep:
                    _decode(utterance, checks)
                if durations is not None:
                    durations[utterance.key] = seconds
            except audio.SoundError as error:
                found.append(Problem(error.kind, error.message, str(error.file), None, utterance.key))
        return found

    with ThreadPoolExecutor(processes_for(checks.nj, len(groups))) as pool:
        results = list(progress(pool.map(examine, groups.values()), len(groups), f"sounds of {path}"))
    return [problem for result in results for problem in result]


def _duration(utterance: Utterance, checks: SoundChecks) -> float:
    return audio.check(
        utterance.source,
        rate_hz=checks.rate_hz,
        channel=utterance.channel,
        resample=checks.resample,
        allow_pipes=checks.allow_pipes,
        key=utterance.key,
    )


def _decode(utterance: Utterance, checks: SoundChecks) -> None:
    audio.read(
        utterance.source,
        rate_hz=None,  # `_duration` has checked the rate; conversion is not needed
        channel=utterance.channel,
        start_s=utterance.start_s,
        end_s=utterance.end_s,
        allow_pipes=checks.allow_pipes,
        key=utterance.key,
    )


def _check_reach(utterance: Utterance, duration_s: float, rate_hz: int) -> float:
    """Return the seconds of an utterance in a sound of `duration_s`.

    Raises SoundError if the segment is not within the sound, or is shorter than one window of features.
    """
    source = Source(utterance.source, utterance.key)
    start_s = utterance.start_s or 0.0
    end_s = utterance.end_s if utterance.end_s is not None else duration_s
    if start_s >= duration_s or end_s > duration_s + audio.MAX_OVERSHOOT_S:
        message = f"the segment {start_s:g}-{end_s:g} s is not within the sound's {duration_s:g} s"
        raise source.error("bad segment", message)
    seconds = min(end_s, duration_s) - start_s
    speed = utterance.perturb.speed if utterance.perturb else 1.0
    if audio.is_short(seconds, rate_hz, speed):
        raise source.error("short audio", audio.too_short(seconds, speed))
    return seconds
